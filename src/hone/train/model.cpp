#include "hone/train/model.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/bert_config.hpp"
#include "hone/frontends/hugging_face.hpp"
#include "hone/passes/pass.hpp"
#include "hone/train/detail/packed_model.hpp"

namespace hone {
namespace {

// Errors of a configuration name its file.
const Architecture& check_config(const Json& config, const std::filesystem::path& directory) {
  try {
    const Json* type = config.find_member("model_type");
    const Architecture& architecture =
        find_architecture(type != nullptr && type->is_string() ? type->get<std::string>() : "");
    architecture.parameters(config);
    return architecture;
  } catch (const Error& error) {
    const std::string file = "config.json: ";
    const bool named = error.message().rfind(file, 0) == 0;
    throw Error(error.code(),
                (directory / "config.json").string() + ": " +
                    error.message().substr(named ? file.size() : 0),
                error.hint());
  }
}

// A classifier of tokens or choices has the same tensors as one of whole texts.
void refuse_other_heads(const Json& config, const std::filesystem::path& directory) {
  const Json* names = config.find_member("architectures");
  if (names == nullptr || !names->is_array() || names->empty()) return;
  for (const Json& name : *names)
    if (name.is_string() &&
        name.get<std::string>().find("SequenceClassification") != std::string::npos)
      return;
  throw Error(ErrorCode::unsupported,
              fmt::format("{}: key 'architectures': {} is not supported",
                          (directory / "config.json").string(), printable(names->dump(), 100)),
              "hone computes BertForSequenceClassification; of other models the encoder: train it "
              "with a new classifier by --fresh-head");
}

// A model with fewer layers than its weights would answer nonsense.
void refuse_unused_layers(const MatchReport& report, const std::filesystem::path& directory) {
  for (const std::string& name : report.unused)
    if (name.find("encoder.layer.") != std::string::npos)
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: the files hold '{}', which the configuration does not have",
                              directory.string(), printable(name, 200)),
                  "compare num_hidden_layers of config.json with the files");
}

bool has_head(const ModelFiles& files) {
  return files.parameters.contains("classifier.weight") ||
         files.parameters.contains(codes_name("classifier.weight"));
}

[[noreturn]] void refuse_fresh_head(const std::string& name, const std::string& what,
                                    const std::string& hint) {
  throw Error(ErrorCode::invalid_argument, fmt::format("{}: fresh_head: {}", name, what), hint);
}

void drop_head(ModelFiles& files, const ModelRequest& request) {
  if (request.num_labels < 1)
    refuse_fresh_head(request.name, "no labels for a new classifier", "give data with labels");
  if (!has_head(files))
    refuse_fresh_head(request.name,
                      "changes nothing: the files hold no classifier, one starts afresh",
                      "leave it out");
  if (files.config.contains(quantization_key))
    refuse_fresh_head(
        request.name, "its number formats were chosen for the classifier it has",
        fmt::format("turn it back first: hone quantize {} --dequantize --out DIR", request.name));
  files.notes.push_back(
      fmt::format("its classifier is dropped, a new one starts afresh for {} labels: {}",
                  request.num_labels, list_some(request.label_names)));
  for (const char* name : {"classifier.weight", "classifier.bias"}) files.parameters.erase(name);
}

// The configuration with the labels of a fresh head.
Json with_labels(const Json& json, const ModelRequest& request, const std::string& where) {
  BertConfig config = BertConfig::from_json(json, where);
  config.num_labels = request.num_labels;
  config.id2label = request.label_names;
  config.problem_type = "";
  return config.to_json();
}

Model load_directory(const std::filesystem::path& path, const ModelRequest& request) {
  Model model;
  model.name = request.name;
  model.directory = path;
  // A run that was stopped has its weights in last/ only.
  if (!std::filesystem::exists(path / "config.json") &&
      std::filesystem::exists(path / "last" / "config.json"))
    model.directory = path / "last";
  ModelFiles files = load_model_files(model.directory);
  model.architecture = &check_config(files.config, model.directory);
  model.config = files.config;
  if (request.fresh_head) drop_head(files, request);
  if (has_head(files))
    refuse_other_heads(files.config, model.directory);
  else if (request.num_labels > 0)
    model.config = with_labels(files.config, request, (model.directory / "config.json").string());
  read_quantization(model, files);
  std::vector<ParameterSpec> wanted = model.architecture->parameters(model.config);
  wanted.erase(
      std::remove_if(wanted.begin(), wanted.end(),
                     [&](const ParameterSpec& spec) { return model.packed.count(spec.name) != 0; }),
      wanted.end());
  MatchedParameters matched =
      match_parameters(wanted, files, request.seed, "bert.", request.check_values);
  for (const std::string& name : model.parameters.names())  // trained steps
    matched.parameters.set(name, model.parameters.at(name));
  refuse_unused_layers(matched.report, model.directory);
  model.parameters = std::move(matched.parameters);
  model.report = std::move(matched.report);
  return model;
}

Model build(const ModelRequest& request) {
  BertConfig config = builtin_bert_config(request.name);
  if (request.vocab_size > 0) config.vocab_size = request.vocab_size;
  if (request.num_labels > 0) {
    config.num_labels = request.num_labels;
    config.id2label = request.label_names;
  }
  for (const auto& [key, value] : request.settings) config.set(key, value);
  config.check(request.name);
  Model model;
  model.name = request.name;
  model.config = config.to_json();
  model.architecture = &find_architecture(model.config.value("model_type", ""));
  model.parameters =
      initialize_parameters(model.architecture->parameters(model.config), request.seed);
  return model;
}

}  // namespace

Model load_model(const ModelRequest& request) {
  const std::filesystem::path path = request.name;
  if (std::filesystem::is_directory(path)) {
    if (!request.settings.empty())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: '{}' cannot be set: the sizes of a saved model are fixed",
                              request.name, request.settings.front().first));
    return load_directory(path, request);
  }
  if (is_builtin_bert(request.name)) {
    if (request.fresh_head)
      refuse_fresh_head(request.name, "changes nothing: all of a built-in model starts afresh",
                        "leave it out");
    return build(request);
  }
  const std::vector<std::string> names = builtin_bert_names();
  throw Error(ErrorCode::not_found,
              fmt::format("{}: neither a directory nor a built-in model", request.name),
              did_you_mean(request.name, names));
}

bool is_model_setting(const std::string& key) {
  const auto& options = bert_config_options();
  return std::any_of(options.begin(), options.end(),
                     [&](const OptionSpec& spec) { return spec.name == key; });
}

Mode parse_mode(const std::string& text) {
  if (text == "reference") return Mode::reference;
  if (text == "eager") return Mode::eager;
  if (text == "compiled") return Mode::compiled;
  const std::vector<std::string> known{"compiled", "eager", "reference"};
  throw Error(ErrorCode::invalid_argument, "unknown mode '" + text + "'",
              did_you_mean(text, known));
}

Graph make_forward_graph(const Model& model, Mode mode, const std::vector<std::string>& disabled,
                         std::vector<PassReport>* reports) {
  Graph graph = model.architecture->build(model.config, {});
  std::vector<PassRequest> passes;
  if (!model.quantization.empty())
    passes.push_back({"quantize", quantize_options(model.quantization, model.packed)});
  if (mode == Mode::compiled)
    for (const char* name : {"push_gather", "fuse_packed", "group_rows"}) passes.push_back({name});
  std::vector<PassReport> made = run_passes(graph, passes, disabled);
  if (reports != nullptr) *reports = std::move(made);
  return graph;
}

Executor make_forward(const Model& model, Mode mode, const std::vector<std::string>& disabled) {
  Executor executor(make_forward_graph(model, mode, disabled), mode != Mode::reference);
  bind_parameters(executor, model);
  return executor;
}

void bind_parameters(Executor& executor, const Model& model) {
  for (const std::string& name : model.parameters.names())
    executor.bind(name, model.parameters.at(name));
  for (const auto& [name, parameter] : model.packed) {
    if (!is_read_as_bits(parameter)) {
      executor.bind(name, parameter.format.bind()->unpack(parameter.packed));
      continue;
    }
    executor.bind(codes_name(name), parameter.packed.codes);
    if (!parameter.packed.scales.empty()) executor.bind(scales_name(name), parameter.packed.scales);
  }
}

}  // namespace hone
