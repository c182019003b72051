#include "hone/train/detail/packed_model.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/core/threads.hpp"
#include "hone/ops/detail/quantizer.hpp"

namespace hone {
namespace {

// The graph before any pass: parameters and nodes by the names that formats use.
Graph plain_graph(const Model& model) { return model.architecture->build(model.config, {}); }

constexpr const char* edited =
    "the file was edited, damaged, or written by another version of hone: quantize the model again";

void refuse_unknown_keys(const Json& object, const std::vector<std::string>& known,
                         const std::string& where) {
  for (const auto& [key, value] : object.items())
    if (std::find(known.begin(), known.end(), key) == known.end())
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: unknown key '{}'", where, printable(key, 100)),
                  did_you_mean(key, known));
}

const Json& field(const Json& entry, const char* key, bool is_text, const std::string& where) {
  if (!entry.is_object() || !entry.contains(key) ||
      (is_text ? !entry[key].is_string() : !entry[key].is_number_integer()))
    throw Error(
        ErrorCode::bad_format,
        fmt::format("{}: '{}' is missing or no {}", where, key, is_text ? "text" : "number"),
        edited);
  return entry[key];
}

// `chosen` is what the nodes give the parameter, if they give it a format.
PackedParameter read_parameter(const std::string& name, const Json& entry,
                               const FormatChoice* chosen, const Shape& wanted, ModelFiles& files,
                               const std::string& where) {
  PackedParameter parameter;
  parameter.format = {field(entry, "format", true, where).text(),
                      field(entry, "rule", true, where).text(),
                      field(entry, "options", true, where).text()};
  refuse_unknown_keys(entry, {"format", "rule", "options", "bits"}, where);
  if (chosen == nullptr || !(*chosen == parameter.format))
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: packed as {}, 'nodes' says {}", where, to_string(parameter.format),
                            chosen == nullptr ? "no format" : to_string(*chosen)),
                edited);
  parameter.packed.code_bits = static_cast<int>(
      std::clamp<std::int64_t>(field(entry, "bits", false, where).get<std::int64_t>(), 0, 64));
  parameter.packed.shape = wanted;
  const std::string codes = codes_name(name);
  if (!files.parameters.contains(codes))
    throw Error(ErrorCode::bad_format, fmt::format("{}: the tensor '{}' is missing", where, codes),
                "the folder's config.json and its weights do not belong together");
  const std::string file = files.file_of.at(codes).string();
  try {
    const auto quantizer = parameter.format.bind();
    for (const std::string& part : {codes, scales_name(name)}) {
      if (!files.parameters.contains(part)) continue;
      (part == codes ? parameter.packed.codes : parameter.packed.scales) =
          files.parameters.at(part);
      files.parameters.erase(part);
    }
    if (parameter.packed.codes.dtype() != DType::u8)
      throw Error(ErrorCode::bad_format, "codes are not u8");
    quantizer->check(parameter.packed);
  } catch (const Error& error) {
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: packed '{}': {}", file, name, error.message()),
                "the file is damaged, or its config.json belongs to another");
  }
  return parameter;
}

}  // namespace

void read_quantization(Model& model, ModelFiles& files) {
  if (!files.config.contains(quantization_key)) return;
  const std::string where =
      (files.directory / "config.json").string() + ": \"" + quantization_key + "\"";
  const Json& section = files.config[quantization_key];
  const std::int64_t version = field(section, "version", false, where).get<std::int64_t>();
  if (version < 1)
    throw Error(ErrorCode::bad_format, fmt::format("{}: version {}", where, version), edited);
  if (version > quantization_version)
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: version {}, this hone reads up to {}", where, version,
                            quantization_version),
                "use a newer hone");
  refuse_unknown_keys(section, {"version", "nodes", "packed"}, where);
  if (!section.contains("nodes"))
    throw Error(ErrorCode::bad_format, where + ": 'nodes' is missing", edited);
  model.quantization = quantization_from_json(section["nodes"], where + ": nodes");
  const Graph graph = plain_graph(model);
  check_nodes(graph, model.quantization, where + ": nodes");
  try {
    refuse_shared_scales(graph, model.quantization);
  } catch (const Error& error) {
    throw Error(error.code(), where + ": " + error.message(),
                "quantize the model again: " + error.hint());
  }
  for (const LearnedStep& step : learned_steps(graph, model.quantization)) {
    if (!files.parameters.contains(step.parameter) ||
        files.parameters.at(step.parameter).shape() != Shape{1})
      throw Error(
          ErrorCode::bad_format,
          fmt::format("{}: the trained step '{}' is missing or no f32[1]", where, step.parameter));
    const float first = files.parameters.at(step.parameter).as<float>()[0];
    if (!std::isfinite(first) || first == 0)
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: the trained step '{}' is {}", where, step.parameter, first),
                  "continue from a checkpoint whose loss was finite");
    model.parameters.set(step.parameter, files.parameters.at(step.parameter));
    files.parameters.erase(step.parameter);
  }
  if (!section.contains("packed")) return;
  if (!section["packed"].is_object())
    throw Error(ErrorCode::bad_format, where + ": 'packed' is not an object", edited);
  const auto chosen = quantized_parameters(graph, model.quantization);
  for (const auto& [name, entry] : section["packed"].items()) {
    const ValueId id = graph.find(name);
    if (id == none || graph.value(id).kind != ValueKind::parameter)
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: the model has no parameter '{}'", where, printable(name)),
                  edited);
    const auto own = std::find_if(chosen.begin(), chosen.end(), [&key = name](const auto& choice) {
      return choice.first == key;
    });
    model.packed[name] =
        read_parameter(name, entry, own == chosen.end() ? nullptr : &own->second,
                       evaluate(graph.type(id), {}), files, fmt::format("{}: '{}'", where, name));
  }
  // Without its bits a parameter would start afresh.
  for (const auto& [name, choice] : chosen)
    if (model.packed.count(name) == 0 && !files.parameters.contains(name))
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: the parameter '{}' is not among 'packed'", where, name), edited);
}

void set_quantization(Model& model, Quantization quantization) {
  refuse_shared_scales(plain_graph(model), quantization);
  unpack_parameters(model);
  model.quantization = std::move(quantization);
  if (model.quantization.empty())
    model.config.erase(quantization_key);
  else
    model.config[quantization_key] = {{"version", quantization_version},
                                      {"nodes", to_json(model.quantization)}};
}

void add_learned_steps(Model& model, const std::map<std::string, double>& mean_magnitudes) {
  for (const LearnedStep& step : learned_steps(plain_graph(model), model.quantization)) {
    if (model.parameters.contains(step.parameter)) continue;
    double mean = 1;
    const auto known = mean_magnitudes.find(step.value);
    if (known != mean_magnitudes.end()) {
      mean = known->second;
    } else if (model.parameters.contains(step.value)) {
      ValueStats stats;
      stats.add(std::as_const(model.parameters).at(step.value).span<float>());
      mean = stats.mean_magnitude();
    }
    Tensor first(DType::f32, {1});
    first.as<float>()[0] =
        static_cast<float>(std::max(2 * mean / std::sqrt(learned_high(step.choice)), 1e-12));
    model.parameters.set(step.parameter, first);
  }
}

void freeze_learned_steps(Model& model) {
  const Graph graph = plain_graph(model);
  std::map<std::string, float> steps;
  for (const LearnedStep& step : learned_steps(graph, model.quantization)) {
    steps[step.parameter] = model.parameters.at(step.parameter).as<float>()[0];
    model.parameters.erase(step.parameter);
  }
  if (!steps.empty()) set_quantization(model, freeze_steps(graph, model.quantization, steps));
}

void pack_parameters(Model& model) {
  if (model.quantization.empty())
    throw Error(ErrorCode::invalid_argument, "the model has no formats to pack its parameters in");
  const auto chosen = quantized_parameters(plain_graph(model), model.quantization);
  std::vector<PackedParameter> made(chosen.size());
  parallel_items(static_cast<std::int64_t>(chosen.size()), [&](std::int64_t i, int) {
    const auto& [name, format] = chosen[static_cast<std::size_t>(i)];
    if (model.packed.count(name) != 0) return;
    try {
      made[static_cast<std::size_t>(i)] = {format, format.bind()->pack(model.parameters.at(name))};
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("parameter '{}': {}", name, error.message()),
                  error.hint());
    }
  });
  Json& section = model.config[quantization_key];
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const std::string& name = chosen[i].first;
    if (model.packed.count(name) != 0) continue;
    const PackedParameter& parameter = made[i];
    section["packed"][name] = {{"format", parameter.format.format},
                               {"rule", parameter.format.rule},
                               {"options", parameter.format.options},
                               {"bits", parameter.packed.code_bits}};
    model.parameters.erase(name);
    model.packed[name] = std::move(made[i]);
  }
}

void unpack_parameters(Model& model) {
  for (const auto& [name, parameter] : model.packed)
    model.parameters.set(name, parameter.format.bind()->unpack(parameter.packed));
  if (!model.packed.empty()) {
    // The order that directories have.
    ParameterStore ordered;
    for (const ParameterSpec& spec : model.architecture->parameters(model.config))
      if (model.parameters.contains(spec.name))
        ordered.set(spec.name, model.parameters.at(spec.name));
    model.parameters = std::move(ordered);
    model.config[quantization_key].erase("packed");
  }
  model.packed.clear();
}

ParameterStore stored_tensors(const Model& model) {
  ParameterStore store;
  for (const std::string& name : model.parameters.names())
    store.set(name, model.parameters.at(name));
  for (const auto& [name, parameter] : model.packed) {
    store.set(codes_name(name), parameter.packed.codes);
    if (!parameter.packed.scales.empty()) store.set(scales_name(name), parameter.packed.scales);
  }
  return store;
}

std::int64_t parameter_count(const Model& model) {
  std::int64_t count = model.parameters.element_count();
  for (const auto& [name, parameter] : model.packed) count += element_count(parameter.packed.shape);
  return count;
}

std::int64_t parameter_bytes(const Model& model) {
  const ParameterStore store = stored_tensors(model);
  std::int64_t bytes = 0;
  for (const std::string& name : store.names())
    bytes += static_cast<std::int64_t>(store.at(name).bytes());
  return bytes;
}

}  // namespace hone
