// The contract of an architecture: makes the graph of a model from its config.json. One file in
// frontends/zoo/ a member; no architecture is named elsewhere.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/core/options.hpp"
#include "hone/frontends/model.hpp"
#include "hone/graph/graph.hpp"
#include "hone/model/model.hpp"

namespace hone {

// Settings of a built-in model, as they were typed.
using SizeSettings = std::vector<std::pair<std::string, std::string>>;

// What a configuration says of a model, its weights aside.
struct Blueprint {
  Graph graph;  // as Model::graph
  ModelFacts facts;
  std::vector<ParameterSpec> parameters;  // in the order in which they are saved
};

struct Architecture : Described {
  // config.json's model_type that it makes.
  std::string model_type;
  // The class name that config.json gives it with a classifier of whole texts.
  std::string classifier_class = {};
  // What parameter names of the network below the classifier begin with.
  std::string backbone = {};
  // What parameter names of its layers hold: files with more of them belong to a deeper model.
  std::string layers = {};
  // The name here of a tensor that another library called so; "": it is not needed. Null: the same.
  std::string (*own_name)(const std::string& name) = nullptr;
  // The configuration as this hone writes it, of one by another library. Null: as it is.
  Json (*own_config)(const Json& config, const std::filesystem::path& directory,
                     const std::string& where) = nullptr;
  // Whether a config.json without a model_type is one of its; null: none is.
  bool (*claims)(const Json& config) = nullptr;
  // Parameters of the classifier.
  std::vector<std::string> head = {};
  // Built-in models, and their configuration; `options` are the sizes that a setting may change.
  std::vector<std::string> builtins = {};
  Json (*builtin)(const std::string& name, const SizeSettings& sizes) = nullptr;
  // Throws Error(bad_format | unsupported) beginning with `where` and naming the key.
  Blueprint (*make)(const Json& config, const std::string& where) = nullptr;
  // The configuration for a classifier of these labels.
  Json (*with_labels)(const Json& config, const std::vector<std::string>& labels,
                      const std::string& where) = nullptr;
};

const std::vector<Architecture>& architecture_table();
// By config.json's model_type; throws Error(unsupported) beginning with `where` and listing what
// there is.
const Architecture& architecture_of(const Json& config, const std::string& where);

// Built-in models of all architectures.
std::vector<std::string> builtin_models();
bool is_builtin_model(const std::string& name);
// Throws Error(not_found) that names the nearest.
const Architecture& builtin_architecture(const std::string& name);
// Sizes that a setting of a built-in model may name.
const std::vector<OptionSpec>& builtin_options();

}  // namespace hone
