#include "hone/frontends/adapter.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/safetensors.hpp"
#include "hone/frontends/torch_bin.hpp"
#include "hone/graph/weight.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

constexpr const char* config_file = "adapter_config.json";
constexpr const char* weights_file = "adapter_model.safetensors";
constexpr const char* pickled_file = "adapter_model.bin";
constexpr std::string_view peft_prefix = "base_model.model.";

Json read_config(const fs::path& directory) {
  const fs::path file = directory / config_file;
  if (!fs::exists(file))
    throw Error(ErrorCode::not_found, fmt::format("{}: has no {}", directory.string(), config_file),
                "an adapter's folder holds adapter_config.json and adapter_model.safetensors");
  Json config = parse_json(read_file(file), file.string());
  if (!config.is_object())
    throw Error(ErrorCode::bad_format, file.string() + ": is not a JSON object");
  return config;
}

// PEFT leaves keys out or null where they have their defaults.
const Json* member(const Json& config, const char* key) {
  const Json* found = config.find_member(key);
  return found == nullptr || found->is_null() ? nullptr : found;
}
bool flag(const Json& config, const char* key) {
  const Json* found = member(config, key);
  return found != nullptr && found->get<bool>();
}

// What would compute something else.
void refuse_other_kinds(const Json& config) {
  const auto refuse = [](const std::string& what) {
    throw Error(ErrorCode::unsupported, what, "hone reads LoRA adapters of linear layers");
  };
  const Json* type = member(config, "peft_type");
  if (type == nullptr || !type->is_string()) refuse("key 'peft_type' is missing");
  if (type->text() != "LORA")
    refuse(fmt::format("key 'peft_type' is '{}'", printable(type->text())));
  for (const char* key : {"fan_in_fan_out", "lora_bias", "use_qalora"})
    if (flag(config, key)) refuse(fmt::format("key '{}' is true", key));
  if (const Json* bias = member(config, "bias"); bias != nullptr && bias->text() != "none")
    refuse(fmt::format("key 'bias' is '{}': biases are not trained", printable(bias->text())));
  for (const char* key : {"target_parameters", "trainable_token_indices", "layer_replication",
                          "alora_invocation_tokens", "use_bdlora", "monteclora_config",
                          "velora_config", "kasa_config", "arrow_config"})
    if (const Json* found = member(config, key);
        found != nullptr && !((found->is_array() || found->is_object()) && found->empty()))
      refuse(fmt::format("key '{}' is given", key));
  // These start from another base than the one that is named.
  if (const Json* start = member(config, "init_lora_weights");
      start != nullptr && start->is_string())
    for (const char* other : {"pissa", "olora", "corda", "loftq", "lora_ga"})
      if (start->text().starts_with(other))
        refuse(fmt::format("key 'init_lora_weights' is '{}', which changes the base",
                           printable(start->text())));
}

LoraSettings read_settings(const Json& config) {
  refuse_other_kinds(config);
  LoraSettings settings;
  settings.rank = config.at("r").get<std::int64_t>();
  if (settings.rank < 1)
    throw Error(ErrorCode::bad_format, fmt::format("key 'r' is {}", settings.rank));
  settings.alpha = config.at("lora_alpha").get<double>();
  if (const Json* alphas = member(config, "alpha_pattern"))
    for (const auto& [pattern, alpha] : alphas->items())
      settings.alphas.emplace_back(pattern, alpha.get<double>());
  if (const Json* dropout = member(config, "lora_dropout"))
    settings.dropout = dropout->get<double>();
  settings.rank_stabilized = flag(config, "use_rslora");
  settings.magnitude = flag(config, "use_dora");
  if (const Json* trained = member(config, "modules_to_save"))
    settings.trained = trained->get<std::vector<std::string>>();
  return settings;
}

TensorStore read_tensors(const fs::path& directory, const LoraSettings& settings, bool one_rank) {
  const bool pickled =
      !fs::exists(directory / weights_file) && fs::exists(directory / pickled_file);
  const fs::path file = directory / (pickled ? pickled_file : weights_file);
  if (!fs::exists(file))
    throw Error(ErrorCode::not_found, file.string() + ": is missing",
                "the folder is incomplete: copy it again");
  const TensorStore stored = pickled ? read_torch_bin(file) : read_safetensors(file);
  TensorStore tensors;
  for (const std::string& stored_name : stored.names()) {
    const std::string what =
        fmt::format("{}: tensor '{}'", file.string(), printable(stored_name, 200));
    if (!stored_name.starts_with(peft_prefix))
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: does not begin with '{}'", what, peft_prefix),
                  "is it an adapter of PEFT?");
    const Tensor& tensor = stored.at(stored_name);
    const DType type = tensor.dtype();
    if (type != DType::f32 && type != DType::f64 && type != DType::f16 && type != DType::bf16)
      throw Error(ErrorCode::unsupported, what + ": is not made of real numbers");
    std::string name = stored_name.substr(peft_prefix.size());
    // (As PEFT wrote it before 0.12.)
    constexpr std::string_view old_end = ".lora_magnitude_vector.weight";
    if (name.ends_with(old_end)) name.resize(name.size() - std::string_view(".weight").size());
    Tensor numbers = type == DType::f32 ? tensor.clone() : tensor.to_f32();
    for (const float number : numbers.span<float>())
      if (!std::isfinite(number))
        throw Error(ErrorCode::numeric, what + ": holds NaN or infinity",
                    "the adapter diverged when it was trained, or the file is damaged");
    if (one_rank && name.ends_with(".lora_A.weight") &&
        (numbers.shape().size() != 2 || numbers.shape()[0] != settings.rank))
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: is {}, {} says r = {}", what, to_string(numbers.shape()),
                              config_file, settings.rank),
                  "the two files belong to different adapters");
    tensors.set(name, std::move(numbers));
  }
  return tensors;
}

Json number(double value) {
  return value == std::floor(value) && std::abs(value) < 1e15
             ? Json(static_cast<std::int64_t>(value))
             : Json(value);
}

// What PEFT is to load before the adapter: the folder that the model came from. One that holds an
// adapted model itself names the base it was made of.
Json base_of(const Model& model) {
  if (model.directory.empty()) return nullptr;
  if (fs::exists(model.directory / config_file)) {
    const Json config = read_config(model.directory);
    const Json* base = member(config, "base_model_name_or_path");
    return base == nullptr ? Json(nullptr) : *base;
  }
  return fs::absolute(model.directory).lexically_normal().string();
}

}  // namespace

bool is_adapter_file(const std::string& name) {
  return name == config_file || name == weights_file || name == pickled_file;
}

bool is_adapter(const fs::path& directory) {
  return fs::exists(directory / config_file) && !fs::exists(directory / "config.json");
}

AdapterFiles read_adapter(const fs::path& directory) {
  const Json config = read_config(directory);
  AdapterFiles files;
  bool one_rank = true;
  try {
    files.settings = read_settings(config);
    if (const Json* base = member(config, "base_model_name_or_path")) files.base = base->text();
    if (const Json* ranks = member(config, "rank_pattern")) one_rank = ranks->empty();
  } catch (const Error& error) {
    throw Error(error.code(),
                fmt::format("{}: {}", (directory / config_file).string(), error.message()),
                error.hint());
  }
  files.tensors = read_tensors(directory, files.settings, one_rank);
  return files;
}

fs::path adapter_base(const fs::path& directory) {
  const Json config = read_config(directory);
  const Json* base = member(config, "base_model_name_or_path");
  const std::string name = base != nullptr && base->is_string() ? base->text() : "";
  for (const fs::path& place : {fs::path(name), directory / name})
    if (!name.empty() && fs::exists(place / "config.json")) return place;
  throw Error(ErrorCode::not_found,
              fmt::format("{}: is an adapter of '{}', which is no model folder here",
                          directory.string(), printable(name, 200)),
              "write the folder of its base into base_model_name_or_path of adapter_config.json");
}

void write_adapter(const fs::path& folder, const Model& model, const TensorStore& tensors,
                   const Adapter& adapter) {
  const LoraSettings& settings = adapter.settings;
  Json ranks = Json::object(), alphas = Json::object();
  for (const AdaptedLayer& layer : adapter.layers) {
    if (layer.rank != settings.rank) ranks[layer.layer] = layer.rank;
    if (layer.alpha != settings.alpha) alphas[layer.layer] = number(layer.alpha);
  }
  const std::string head = layer_name(head_weight(model));
  const bool trains_head =
      std::find(settings.trained.begin(), settings.trained.end(), head) != settings.trained.end();
  const Json config{
      {"peft_type", "LORA"},
      // With this type PEFT trains every classifier that it finds.
      {"task_type", trains_head ? Json("SEQ_CLS") : Json(nullptr)},
      {"base_model_name_or_path", base_of(model)},
      {"r", settings.rank},
      {"lora_alpha", number(settings.alpha)},
      {"lora_dropout", settings.dropout},
      {"target_modules", split(settings.targets, ',')},
      {"modules_to_save", settings.trained.empty() ? Json(nullptr) : Json(settings.trained)},
      {"use_rslora", settings.rank_stabilized},
      {"use_dora", settings.magnitude},
      {"bias", "none"},
      {"fan_in_fan_out", false},
      {"init_lora_weights", true},
      {"inference_mode", true},
      {"rank_pattern", ranks},
      {"alpha_pattern", alphas}};
  TensorStore named;
  const TensorStore own = adapter_tensors(model.graph, tensors, adapter);
  for (const std::string& name : own.names())
    named.set(std::string(peft_prefix) + name, own.at(name));
  fs::create_directories(folder);
  write_safetensors(folder / weights_file, named);
  write_file_atomically(folder / config_file, config.dump(2) + "\n");
}

const Adapter& main_adapter(const std::vector<Adapter>& adapters) {
  const auto trained = std::find_if(adapters.begin(), adapters.end(),
                                    [](const Adapter& adapter) { return adapter.is_trained; });
  return trained != adapters.end() ? *trained : adapters.front();
}

}  // namespace hone
