// What a search does with the network of each trial once it is trained: [[stages]], as in the
// recipe compress (recipes/stage.hpp).
//
//   [[stages]]
//   do = "prune"
//   sparsity = 0.5
//   [space]
//   "prune.sparsity" = [0.3, 0.5, 0.7]   # an option of a stage as a parameter: NAME.OPTION
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/recipes/stage.hpp"

namespace hone {

struct SearchStage {
  std::string name;  // what parameters call it; its kind where the file gives none
  std::string kind;
  TextSettings values;     // of the options of its kind
  std::string where = {};  // "file: line n"

  Options options() const;
};

Json to_json(const std::vector<SearchStage>& stages);
std::vector<SearchStage> search_stages_from_json(const Json& json);

// What decides the result of stages: their kinds, options and files.
Json identity_of(const std::vector<SearchStage>& stages);
// Throws Error(invalid_argument) where a stage cannot be; `training` are the settings that its
// trainings take where it has none of its own.
void check_stages(const std::vector<SearchStage>& stages, const Options& training,
                  const Graph& graph);
// The stage and option of a parameter "NAME.OPTION"; null where none of the stages is called so.
SearchStage* find_search_stage(std::vector<SearchStage>& stages, const std::string& parameter);
void set_stage_option(SearchStage& stage, const std::string& parameter, const std::string& value);

// Takes the model in `from` through the stages, each in a folder of its own below `folder`, going
// on where an earlier run stopped. Returns the folder of the last model. Throws
// Error(interrupted) when the watcher asks to stop, and what stages throw.
std::filesystem::path run_stages(const std::vector<SearchStage>& stages,
                                 const std::filesystem::path& from,
                                 const std::filesystem::path& folder, StageCall call);
// Removes what run_stages leaves.
void remove_stages(const std::filesystem::path& folder);

}  // namespace hone
