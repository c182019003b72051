// A search file: what is varied, by which sampler, and what is optimized.
//
//   recipe = "search"
//   name = "nas"
//   objectives = ["accuracy"]
//   sampler = "tpe"
//   trials = 32
//   [space]
//   num_hidden_layers = [2, 4]                     # a list: one of these
//   lr = { low = 1e-5, high = 1e-3, log = true }   # a range: real where a bound has a point
//   rank = { choices = [4, 8], when = { lora = [true] } }
//
// Several studies in one file, each with some keys or tables of its own, share what is computed:
//
//   [[studies]]
//   name = "grid"
//   sampler = "grid"
#pragma once

#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/recipes/loading.hpp"
#include "hone/recipes/network_space.hpp"
#include "hone/recipes/search_stages.hpp"
#include "hone/search/worker.hpp"

namespace hone {

// What a search file says of its workers as tasks of Slurm: [slurm].
struct SlurmSettings {
  Options options;                      // slurm_options()
  std::vector<std::string> extra = {};  // options of sbatch as they are
};

// User attributes of a study: its settings, and what its winners came to on the test split.
inline const char* const settings_attribute = "hone:search";
inline const char* const test_attribute = "hone:test";

struct SearchSettings {
  std::string name;
  std::string study;                    // where it is kept; with the name of the study
  std::vector<std::string> objectives;  // names of what is optimized; may be empty for a command
  std::vector<Direction> directions;    // one an objective
  WorkerSettings worker;
  std::int64_t jobs = 1;
  // Any program as objective, and the folder where it is started; else the keys of a training.
  std::vector<std::string> objective_command;
  std::string folder;
  std::string place;   // below it: where the models of trials go
  bool reuse = false;  // a trial with the values of an earlier one gets its results
  TextSettings training;
  std::vector<NodeChoices> nodes;
  std::vector<SearchStage> stages;       // after the training of a trial
  bool trains = true;                    // false: trials are judged as they are made
  std::vector<double> weights;           // of the objectives, whose sum is maximized; empty: no sum
  std::vector<std::string> measured;     // metrics that are kept beside the objectives
  std::string selection = "validation";  // the split that trials are judged on
  std::string keep = "best";             // models: "best" or "all"
  std::string start;                     // "sensitivity", or "": the sampler's
  SlurmSettings slurm;
  std::vector<std::string> notes;  // what of a file of MASE's does not count, and why

  bool is_of_networks() const { return objective_command.empty(); }
  // Names of the values that the study optimizes.
  std::vector<std::string> value_names() const;
};

// Keys of the file beside its tables: name, study, objectives, sampler, trials, ...
const std::vector<OptionSpec>& search_options();

// The text of a search file as hone reads it: one of MASE's is translated.
std::string search_text(const std::string& file);

// Reads a search file, or one of MASE's. It has one study, or several ([[studies]]); `changes` are
// key=value settings that take the place of its own. Of several studies, a key `study` that names
// one ("sqlite:s.db#grid") chooses it. Throws Error naming the file and the line.
std::vector<SearchSettings> load_search(const std::string& file, const TextSettings& changes);

// What a study keeps of them, for its workers: everything but where it is kept and how they are
// started. Throws Error(bad_format).
Json to_json(const SearchSettings& settings);
SearchSettings search_from_json(const Json& json);

}  // namespace hone
