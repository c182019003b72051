#include "hone/recipes/detail/network_configuration.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/version.hpp"
#include "hone/recipes/detail/content_hash.hpp"
#include "hone/recipes/train_run.hpp"

namespace hone {
namespace {

constexpr const char* data_option_prefix = "data.";

// Keys that are neither of the training nor of the network.
const std::set<std::string>& inputs() {
  static const std::set<std::string> keys{"model", "data", "tokenizer"};
  return keys;
}

}  // namespace

std::string input_of(const SearchSettings& search, const std::string& key) {
  for (const auto& [name, value] : search.training)
    if (name == key) return value;
  return "";
}

bool is_training_parameter(const std::string& name) {
  const std::vector<OptionSpec>& known = train_settings();
  return name.starts_with(data_option_prefix) ||
         std::any_of(known.begin(), known.end(),
                     [&](const OptionSpec& spec) { return spec.name == name; });
}

const Json& SearchContents::of(const TextSettings& data) {
  if (const auto found = known_.find(data); found != known_.end()) return found->second;
  const std::string model = input_of(search_, "model");
  const DataRequest request = make_data_request(input_of(search_, "data"), data);
  const ChosenTokenizer chosen =
      choose_tokenizer(model, input_of(search_, "tokenizer"), request.kind);
  if (model_.empty() && std::filesystem::is_directory(model)) model_ = content_of_model(model);
  return known_[data] = {{"data", content_of_data(request)},
                         {"model", model_},
                         {"tokenizer", chosen.tokenizer ? chosen.tokenizer.fingerprint() : ""}};
}

Json NetworkConfiguration::identity(const SearchSettings& search, SearchContents& contents) const {
  Json json{{"hone", version}, {"contents", contents.of(settings.data)}};
  for (const std::string& key : inputs()) json[key] = input_of(search, key);
  for (const auto& [key, value] : settings.values.values())
    if (!settings_without_effect.contains(key)) json["settings"][key] = to_string(value);
  for (const auto& [key, value] : settings.model) json["sizes"][key] = value;
  for (const auto& [key, value] : settings.data) json["data_options"][key] = value;
  if (!search.trains) json["trained"] = false;
  if (search.selection != "validation") json["selection"] = search.selection;
  json["choices"] = identity_of(search.nodes);
  for (const auto& [key, value] : nodes) json["nodes"][key] = value;
  if (!stages.empty()) json["stages"] = identity_of(stages);
  return json;
}

std::map<std::string, Json> values_of(const Space& space, const Assignment& assignment) {
  std::map<std::string, Json> values;
  for (const auto& [name, internal] : assignment)
    if (const Dimension* dimension = space.find(name))
      values[name] = dimension->distribution().value_of(internal);
  return values;
}

NetworkConfiguration configuration_of(const SearchSettings& search,
                                      const std::map<std::string, Json>& values) {
  TextSettings all;
  for (const auto& [key, value] : search.training)
    if (!inputs().contains(key)) all.emplace_back(key, value);
  NetworkConfiguration made;
  made.stages = search.stages;
  for (const auto& [name, value] : values) {
    if (SearchStage* stage = find_search_stage(made.stages, name)) {
      set_stage_option(*stage, name, text_of(value));
    } else if (name.find('.') != std::string::npos && !name.starts_with(data_option_prefix)) {
      made.nodes[name] = value;
    } else {
      std::erase_if(all, [&, &key = name](const auto& old) { return old.first == key; });
      all.emplace_back(name, text_of(value));
    }
  }
  // What is judged on the test split has all of the others to train on.
  if (search.selection == "test" && search.trains &&
      std::none_of(all.begin(), all.end(),
                   [](const auto& one) { return one.first == "validation"; }))
    all.emplace_back("validation", "0");
  made.settings = sort_settings(
      all, train_settings(), !std::filesystem::is_directory(input_of(search, "model")), "a search");
  return made;
}

void apply_choices(Model& model, const SearchSettings& search,
                   const NetworkConfiguration& configuration) {
  apply_node_choices(model, search.nodes, [&](const std::string& parameter) {
    const auto found = configuration.nodes.find(parameter);
    return found == configuration.nodes.end() ? Json() : found->second;
  });
}

}  // namespace hone
