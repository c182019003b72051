// What a trial of a search over networks stands for: the settings of its training, the choices of
// its nodes, the options of its stages.
#pragma once

#include <map>
#include <set>
#include <string>

#include "hone/core/json.hpp"
#include "hone/model/model.hpp"
#include "hone/recipes/search_settings.hpp"

namespace hone {

// Hashes of what the model, the data and the tokenizer of a search hold: paths alone do not decide
// a result. Each file is read once.
class SearchContents {
public:
  explicit SearchContents(const SearchSettings& search) : search_(search) {}
  // With these options of the data. Throws what reading them throws.
  const Json& of(const TextSettings& data);

private:
  const SearchSettings& search_;
  std::string model_;  // "": not yet, or built in
  std::map<TextSettings, Json> known_;
};

struct NetworkConfiguration {
  Settings settings;                  // of the training, the sizes and the data
  std::map<std::string, Json> nodes;  // values of node parameters
  std::vector<SearchStage> stages = {};

  // Everything that decides the result.
  Json identity(const SearchSettings& search, SearchContents& contents) const;
  // The same network before its stages.
  NetworkConfiguration before_stages() const { return {settings, nodes}; }
};

// Values of an assignment by parameter; those that it does not have are missing.
std::map<std::string, Json> values_of(const Space& space, const Assignment& assignment);
NetworkConfiguration configuration_of(const SearchSettings& search,
                                      const std::map<std::string, Json>& values);
// Leaves nodes out, masks, gives formats, as the configuration says.
void apply_choices(Model& model, const SearchSettings& search,
                   const NetworkConfiguration& configuration);

// "model", "data" or "tokenizer" of a search; "" where it has none.
std::string input_of(const SearchSettings& search, const std::string& key);
// Settings of a training that change how long it takes, and no result.
inline const std::set<std::string> settings_without_effect{"threads", "checkpoint_every"};
// Whether a parameter is a setting of the training or an option of the data.
bool is_training_parameter(const std::string& name);

}  // namespace hone
