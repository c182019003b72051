#include "hone/frontends/load_model.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/adapter.hpp"
#include "hone/frontends/hugging_face.hpp"
#include "hone/frontends/onnx/import_onnx.hpp"
#include "hone/frontends/saved_model.hpp"
#include "hone/passes/lora.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

std::string config_of(const fs::path& directory) { return (directory / "config.json").string(); }

bool has_head(const ModelFiles& files, const Architecture& architecture) {
  return files.parameters.contains(architecture.head.front());
}

// A classifier of tokens or choices has the same tensors as one of whole texts.
void refuse_other_heads(const Json& config, const Architecture& architecture,
                        const std::string& where) {
  const Json* names = config.find_member("architectures");
  if (names == nullptr || !names->is_array() || names->empty()) return;
  const std::string& wanted = architecture.classifier_class;
  for (const Json& name : *names)
    if (name.is_string() &&
        name.get<std::string>().find(wanted.substr(wanted.find("For"))) != std::string::npos)
      return;
  throw Error(ErrorCode::unsupported,
              fmt::format("{}: key 'architectures': {} is not supported", where,
                          printable(names->dump(), 100)),
              fmt::format("hone computes {}; of other models the encoder: train it with a new "
                          "classifier by --fresh-head",
                          architecture.classifier_class));
}

// A model with fewer layers than its weights would answer nonsense.
void refuse_unused_layers(const LoadReport& report, const Architecture& architecture,
                          const fs::path& directory) {
  for (const std::string& name : report.unused)
    if (name.find(architecture.layers) != std::string::npos)
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: the files hold '{}', which the configuration does not have",
                              directory.string(), printable(name, 200)),
                  "compare num_hidden_layers of config.json with the files");
}

[[noreturn]] void refuse_fresh_head(const std::string& name, const std::string& what,
                                    const std::string& hint) {
  throw Error(ErrorCode::invalid_argument, fmt::format("{}: fresh_head: {}", name, what), hint);
}

void drop_head(ModelFiles& files, const Architecture& architecture, const ModelRequest& request) {
  if (request.label_names.empty())
    refuse_fresh_head(request.name, "no labels for a new classifier", "give data with labels");
  if (!has_head(files, architecture))
    refuse_fresh_head(request.name,
                      "changes nothing: the files hold no classifier, one starts afresh",
                      "leave it out");
  files.notes.push_back(
      fmt::format("its classifier is dropped, a new one starts afresh for {} labels: {}",
                  request.label_names.size(), list_some(request.label_names)));
  for (const std::string& name : architecture.head) files.parameters.erase(name);
}

Model make(const Json& config, Blueprint blueprint) {
  Model model;
  static_cast<ModelFacts&>(model) = std::move(blueprint.facts);
  model.graph = std::move(blueprint.graph);
  model.config = config;
  return model;
}

// Tensors of other libraries take the names of the architecture.
void rename(ModelFiles& files, const Architecture& architecture) {
  if (architecture.own_name == nullptr) return;
  TensorStore renamed;
  std::map<std::string, fs::path> file_of;
  for (const std::string& name : files.parameters.names()) {
    const std::string own = architecture.own_name(name);
    if (own.empty()) continue;
    if (renamed.contains(own))
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: two tensors are '{}', one of them as '{}'",
                              files.file_of.at(name).string(), printable(own), printable(name)),
                  "the file mixes the names of two libraries");
    renamed.set(own, files.parameters.at(name));
    file_of[own] = files.file_of.at(name);
  }
  files.parameters = std::move(renamed);
  files.file_of = std::move(file_of);
}

// A directory's configuration as this hone writes it.
Json own_config(const Json& config, const fs::path& directory) {
  const std::string where = config_of(directory);
  const Architecture& architecture = architecture_of(config, where);
  return architecture.own_config == nullptr ? config
                                            : architecture.own_config(config, directory, where);
}

Model load_hugging_face(const fs::path& directory, const ModelRequest& request) {
  ModelFiles files = load_model_files(directory);
  const std::string where = config_of(directory);
  const Architecture& architecture = architecture_of(files.config, where);
  rename(files, architecture);
  Json config = own_config(files.config, directory);
  architecture.make(config, where);  // names what is wrong with it before the weights count
  if (request.fresh_head) drop_head(files, architecture, request);
  if (has_head(files, architecture))
    refuse_other_heads(files.config, architecture, where);
  else if (!request.label_names.empty())
    config = architecture.with_labels(config, request.label_names, where);
  Blueprint blueprint = architecture.make(config, where);
  MatchedParameters matched =
      match_parameters(blueprint.parameters, files, request.seed, architecture.backbone,
                       architecture.head, request.check_values);
  refuse_unused_layers(matched.report, architecture, directory);
  Model model = make(config, std::move(blueprint));
  model.tensors = std::move(matched.parameters);
  model.report = std::move(matched.report);
  return model;
}

Model build(const ModelRequest& request) {
  const Architecture& architecture = builtin_architecture(request.name);
  SizeSettings sizes;
  if (request.vocab_size > 0)
    sizes.emplace_back("vocab_size", fmt::format("{}", request.vocab_size));
  sizes.insert(sizes.end(), request.settings.begin(), request.settings.end());
  Json config = architecture.builtin(request.name, sizes);
  const bool sized = std::any_of(sizes.begin(), sizes.end(),
                                 [](const auto& size) { return size.first == "num_labels"; });
  if (!request.label_names.empty() && !sized)
    config = architecture.with_labels(config, request.label_names, request.name);
  Blueprint blueprint = architecture.make(config, request.name);
  TensorStore tensors = initialize_parameters(blueprint.parameters, request.seed);
  Model model = make(config, std::move(blueprint));
  model.tensors = std::move(tensors);
  return model;
}

// A new classifier for a model that is no plain one any more: imported, pruned, rounded.
void start_head_afresh(Model& model, const ModelRequest& request) {
  if (request.label_names.empty())
    refuse_fresh_head(request.name, "no labels for a new classifier", "give data with labels");
  if (!adapters_of(model.graph).empty())
    refuse_fresh_head(request.name, "it carries an adapter", "merge it first: hone merge");
  Graph& graph = model.graph;
  const ValueId logits = graph.find_output("logits");
  const Node* head = graph.producer(logits, "linear");
  if (head == nullptr)
    refuse_fresh_head(request.name, "its answers are no linear node's", "train it as it is");
  const bool biased = head->inputs.size() > 2 && head->inputs[2] != none;
  for (std::size_t i = 1; i < (biased ? 3u : 2u); ++i)
    if (const Node* between = graph.producer(head->inputs[i]))
      refuse_fresh_head(
          request.name,
          fmt::format("its classifier is {}", between->op == "mask" ? "pruned" : "rounded"),
          between->op == "mask"
              ? "start the classifier first, of the model that was pruned"
              : fmt::format("hone quantize {} --dequantize --out DIR first", request.name));
  const auto labels = static_cast<std::int64_t>(request.label_names.size());
  const ValueId weight = head->inputs[1], bias = biased ? head->inputs[2] : none;
  const std::int64_t width = graph.type(weight).dims[1].offset;
  std::vector<ParameterSpec> specs{{graph.value(weight).name, {labels, width}}};
  graph.value(weight).type.dims[0] = Dim(labels);
  if (biased) {
    specs.push_back({graph.value(bias).name, {labels}, Initializer::zeros});
    graph.value(bias).type.dims[0] = Dim(labels);
  }
  graph.value(logits).type.dims[1] = Dim(labels);
  const TensorStore fresh = initialize_parameters(specs, request.seed);
  for (const std::string& name : fresh.names()) {
    model.tensors.set(name, fresh.at(name));
    model.report.initialized.push_back(name);
  }
  model.head = make_head("single_label_classification", labels, request.name);
  model.labels = request.label_names;
  if (is_made_by_architecture(model.config)) {
    const Architecture& architecture = architecture_of(model.config, request.name);
    model.config = architecture.with_labels(model.config, model.labels, request.name);
  }
  model.report.notes.push_back(
      fmt::format("its classifier is dropped, a new one starts afresh for {} labels: {}", labels,
                  list_some(model.labels)));
  model.history.push_back(fmt::format("a fresh classifier of {} labels", labels));
}

// A run that was stopped has its weights in last/ only.
fs::path place_of(const fs::path& path) {
  if (is_adapter(path)) return place_of(adapter_base(path));
  return !fs::exists(path / "config.json") && fs::exists(path / "last" / "config.json")
             ? path / "last"
             : path;
}

// The base that an adapter's folder names, with the adapter.
Model load_adapted(const ModelRequest& request) {
  const AdapterFiles files = read_adapter(request.name);
  ModelRequest base = request;
  base.name = adapter_base(request.name).string();
  Model model = load_model(base);
  try {
    add_adapter(model, files.settings, files.tensors);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", request.name, error.message()), error.hint());
  }
  model.history.push_back("adapter: " + request.name);
  model.name = request.name;
  return model;
}

}  // namespace

Model load_model(const ModelRequest& request) {
  const fs::path path = request.name;
  if (is_adapter(path)) return load_adapted(request);
  Model model;
  if (fs::is_directory(path)) {
    if (!request.settings.empty())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: '{}' cannot be set: the sizes of a saved model are fixed",
                              request.name, request.settings.front().first));
    const fs::path place = place_of(path);
    if (is_saved_model(place)) {
      model = load_saved_model(place, request.check_values);
      if (request.fresh_head) start_head_afresh(model, request);
    } else {
      model = load_hugging_face(place, request);
    }
    model.directory = place;
  } else if (path.extension() == ".onnx") {
    if (request.fresh_head || !request.settings.empty())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: sizes and the head of an ONNX file are fixed", request.name));
    model = import_onnx(path);
  } else {
    if (request.fresh_head && is_builtin_model(request.name))
      refuse_fresh_head(request.name, "changes nothing: all of a built-in model starts afresh",
                        "leave it out");
    model = build(request);
  }
  model.name = request.name;
  return model;
}

namespace {

// Of a model that is not in hone's own form.
Blueprint blueprint_of(const std::string& name, const SizeSettings& sizes) {
  const fs::path path = name;
  if (!fs::is_directory(path)) {
    const Architecture& architecture = builtin_architecture(name);
    return architecture.make(architecture.builtin(name, sizes), name);
  }
  const std::string where = config_of(place_of(path));
  const Json config = own_config(load_model_config(place_of(path)), place_of(path));
  return architecture_of(config, where).make(config, where);
}

}  // namespace

std::vector<fs::path> weight_files(const fs::path& directory) {
  if (directory.empty()) return {};
  if (is_saved_model(directory)) return {directory / own_weights_file};
  if (!holds_weights(directory)) return {};
  std::set<fs::path> paths;
  for (const auto& [name, path] : load_model_files(directory).file_of) paths.insert(path);
  return {paths.begin(), paths.end()};
}

std::int64_t weight_file_bytes(const fs::path& directory) {
  std::int64_t bytes = 0;
  for (const fs::path& file : weight_files(directory))
    bytes += static_cast<std::int64_t>(fs::file_size(file));
  return bytes;
}

std::int64_t positions_of(const fs::path& directory) {
  if (is_saved_model(directory)) return saved_model_facts(directory).limits.positions;
  return load_model_config(directory).value("max_position_embeddings", std::int64_t{512});
}

ModelFacts model_facts(const std::string& name, const SizeSettings& sizes) {
  const fs::path place = place_of(name);
  return is_saved_model(place) ? saved_model_facts(place) : blueprint_of(name, sizes).facts;
}

Graph source_graph(const std::string& name, const SizeSettings& sizes) {
  if (is_adapter(name)) return load_model({.name = name}).graph;
  const fs::path place = place_of(name);
  return is_saved_model(place) ? saved_model_graph(place) : blueprint_of(name, sizes).graph;
}

}  // namespace hone
