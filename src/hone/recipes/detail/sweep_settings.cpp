#include "hone/recipes/detail/sweep_settings.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/passes/format_checks.hpp"
#include "hone/recipes/detail/recipe_keys.hpp"

namespace hone {
namespace {

constexpr const char* all_widths = "4,5,6,7,8,10,12,16,20,24,28,32";
constexpr const char* qat_prefix = "qat_";

// Training settings that both trainings share.
const std::set<std::string> shared_keys{"max_length", "threads", "mode", "validation",
                                        "disable_pass"};
// Those that make no sense here: each point has its own seed and files.
const std::set<std::string> left_out{"seed", "trace", "order", "split"};

[[noreturn]] void refuse(const std::string& message, const std::string& hint = "") {
  throw Error(ErrorCode::invalid_argument, message, hint);
}

Options pick_training(const RecipeCall& call, bool qat) {
  Options picked;
  for (const OptionSpec& spec : train_settings()) {
    if (left_out.count(spec.name) != 0) continue;
    const bool own = qat && shared_keys.count(spec.name) == 0;
    const auto given = call.settings.values.values().find((own ? qat_prefix : "") + spec.name);
    if (given != call.settings.values.values().end()) picked.set(spec.name, given->second);
  }
  return picked;
}

std::string hash_of(const std::filesystem::path& folder) {
  const Model model = load_model({.name = folder.string()});
  std::string all;
  for (const std::string& name : model.tensors.names()) {
    const Tensor& tensor = model.tensors.at(name);
    all +=
        name +
        sha256(std::as_bytes(std::span(static_cast<const char*>(tensor.data()), tensor.bytes())));
  }
  return sha256(all);
}

void check_model(const RecipeCall& call, SweepSettings& settings) {
  settings.graph = source_graph(settings.model, call.settings.model);
  if (!formats_of(settings.graph).empty())
    refuse(fmt::format("{}: key 'model': {} is quantized", call.file, settings.model),
           "the sweep starts from a float model");
  if (settings.trains_model) return;
  for (const auto& [key, value] : settings.float_training.values())
    if (shared_keys.count(key) == 0)
      refuse(fmt::format("{}: key '{}' changes nothing: {} is trained already", call.file, key,
                         settings.model),
             fmt::format("leave it out; the training at each width takes {}{}", qat_prefix, key));
  if (!call.settings.model.empty())
    refuse(fmt::format("{}: key '{}': the sizes of a saved model are fixed", call.file,
                       call.settings.model.front().first));
}

void check_format(const RecipeCall& call, SweepSettings& settings) {
  const Format& format = find_format(settings.format);
  const auto knows = [&](const char* name) {
    return std::any_of(format.options.begin(), format.options.end(),
                       [&](const OptionSpec& spec) { return spec.name == name; });
  };
  if (!knows("width"))
    refuse(fmt::format("{}: key 'format': {} has no width", call.file, settings.format),
           "hone format show " + settings.format);
  settings.has_fraction = knows("frac_width");
  if (!settings.has_fraction && call.settings.values.contains("fraction"))
    refuse(fmt::format("{}: key 'fraction' changes nothing: {} has no frac_width", call.file,
                       settings.format));
  for (std::int64_t width : settings.widths) {
    try {
      const Quantization formats = select_formats(settings.graph, {settings.selection(width)});
      refuse_unsigned_data(settings.graph, formats);
      refuse_shared_scales(settings.graph, formats);
    } catch (const Error& error) {
      throw Error(error.code(),
                  fmt::format("{}: at width {}: {}", call.file, width, error.message()),
                  error.hint());
    }
  }
}

}  // namespace

QuantizeSelection SweepSettings::selection(std::int64_t width) const {
  QuantizeSelection selection{nodes, format, {{"width", fmt::format("{}", width)}}};
  if (has_fraction)
    selection.keys.emplace_back(
        "frac_width", fmt::format("{}", static_cast<std::int64_t>(
                                            std::floor(static_cast<double>(width) * fraction))));
  selection.keys.insert(selection.keys.end(), format_keys.begin(), format_keys.end());
  return selection;
}

std::vector<OptionSpec> sweep_options() {
  std::vector<OptionSpec> specs{
      {.name = "name", .default_value = {}, .help = "of the folder the results go to"},
      {.name = "model",
       .default_value = {},
       .help = "a folder of a trained model, or a built-in name: trained first, once a seed"},
      {.name = "data", .default_value = {}, .help = "the data set, as --data takes it"},
      {.name = "tokenizer", .default_value = "", .help = "folder or file of the tokenizer"},
      {.name = "format", .default_value = "integer", .help = "the number format"},
      {.name = "widths", .default_value = all_widths, .help = "list of widths in bits"},
      {.name = "fraction",
       .type = OptionType::real,
       .default_value = 0.5,
       .help = "share of the width that lies after the point",
       .minimum = 0,
       .maximum = 1},
      {.name = "nodes", .default_value = "linear", .help = "what takes the format, as --nodes"},
      {.name = "format_options",
       .default_value = "",
       .help = "list of more keys of the format: [\"rule=mase\", \"bias_format=none\"]"},
      {.name = "seeds", .default_value = "0", .help = "list of seeds; one sweep each"},
      {.name = "evaluate",
       .default_value = "test",
       .help = "the split that every point is judged on",
       .choices = {"test", "validation"}},
      {.name = "out", .default_value = "runs", .help = "folder of all runs"}};
  for (const OptionSpec& spec : train_settings())
    if (left_out.count(spec.name) == 0) specs.push_back(spec);
  for (OptionSpec spec : train_settings()) {
    if (left_out.count(spec.name) != 0 || shared_keys.count(spec.name) != 0) continue;
    spec.name = qat_prefix + spec.name;
    spec.help = "QAT: " + spec.help;
    specs.push_back(std::move(spec));
  }
  return specs;
}

SweepSettings read_sweep_settings(const RecipeCall& call) {
  const Options& values = call.settings.values;
  SweepSettings settings;
  settings.folder = result_folder(call);
  settings.model = required_key(call, "model");
  settings.data = required_key(call, "data");
  settings.tokenizer = values.text_or("tokenizer", "");
  settings.split = values.text_or("evaluate", "test");
  settings.format = values.text_or("format", "integer");
  settings.nodes = values.text_or("nodes", "linear");
  settings.fraction = values.real_or("fraction", settings.fraction);
  settings.widths = number_list(call, "widths", all_widths, 1);
  settings.seeds = number_list(call, "seeds", "0", 0);
  if (const std::string keys = values.text_or("format_options", ""); !keys.empty())
    for (const std::string& part : split(keys, ','))
      settings.format_keys.push_back(
          split_setting(part, fmt::format("{}: key 'format_options'", call.file)));
  settings.float_training = pick_training(call, false);
  settings.qat_training = pick_training(call, true);
  settings.trains_model = !std::filesystem::is_directory(settings.model);
  if (settings.split == "validation" && values.real_or("validation", 0.1) <= 0)
    refuse(fmt::format("{}: key 'evaluate': there is no validation split: validation is 0",
                       call.file));
  check_model(call, settings);
  check_format(call, settings);
  return settings;
}

Json sweep_identity(const RecipeCall& call, const SweepSettings& settings) {
  static const std::set<std::string> places{
      "name", "out", "widths", "seeds", "threads", "checkpoint_every", "qat_checkpoint_every"};
  Json json;
  for (const auto& [key, value] : call.settings.values.values())
    if (places.count(key) == 0) json["settings"][key] = to_string(value);
  for (const auto& [key, value] : call.settings.model) json["model"][key] = value;
  for (const auto& [key, value] : call.settings.data) json["data"][key] = value;
  if (!settings.trains_model) json["weights"] = hash_of(settings.model);
  return json;
}

}  // namespace hone
