#include <algorithm>

#include <fmt/format.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/metric_tables.hpp"
#include "hone/cli/detail/out_folder.hpp"
#include "hone/cli/detail/program.hpp"
#include "hone/cli/detail/settings.hpp"
#include "hone/cli/detail/watch.hpp"
#include "hone/core/error.hpp"
#include "hone/frontends/hugging_face.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/frontends/saved_model.hpp"
#include "hone/model/model.hpp"
#include "hone/passes/packing.hpp"
#include "hone/recipes/format_file.hpp"
#include "hone/recipes/quantize_run.hpp"
#include "hone/report/numbers.hpp"

namespace hone {
namespace {

// Settings of the training that are flags here.
const std::vector<std::string> training_flags{
    "epochs", "steps",   "batch",      "lr",   "weight_decay", "schedule",  "warmup",
    "clip",   "dropout", "max_length", "seed", "threads",      "fresh_head"};

// --set, parted: what training knows, options of the data, and options of formats.
struct PartedSettings {
  TextSettings training, format;
};

PartedSettings part_settings(const CommandInput& input) {
  PartedSettings parted;
  for (const auto& [key, value] : input.settings) {
    const auto& known = train_settings();
    const bool training =
        key.rfind("data.", 0) == 0 ||
        std::any_of(known.begin(), known.end(),
                    [&, name = key](const OptionSpec& spec) { return spec.name == name; });
    (training ? parted.training : parted.format).emplace_back(key, value);
  }
  return parted;
}

void refuse_training_options(const CommandInput& input, const PartedSettings& parted) {
  const bool reads_data = input.options.contains("calibrate");
  for (const std::string& name : training_flags)
    if (name != "threads" && !(name == "max_length" && reads_data) && input.options.contains(name))
      throw UsageError(fmt::format("{} changes nothing without --qat", flag_name(name)),
                       "leave it out, or train with the rounding: --qat --data DATA");
  if (input.options.contains("tokenizer") && !reads_data)
    throw UsageError("--tokenizer changes nothing without --calibrate or --qat", "leave it out");
  for (const auto& [key, value] : parted.training)
    if (!reads_data || key.rfind("data.", 0) != 0)
      throw UsageError(fmt::format("--set {} changes nothing without --qat", key),
                       "leave it out, or train with the rounding: --qat --data DATA");
  for (const char* name : {"data", "resume"})
    if (input.options.contains(name))
      throw UsageError(fmt::format("--{} changes nothing without --qat", name), "leave it out");
}

// What else could take a format: said where most of the model stayed as it was.
std::string left_hint(const FloatShare& left, bool from_file) {
  const bool embeddings = std::any_of(left.by_op.begin(), left.by_op.end(),
                                      [](const auto& part) { return part.first == "embedding"; });
  if (!embeddings) return "";
  return from_file ? "the embeddings take a format too: a table with nodes = \"embedding\"\n"
                   : "the embeddings take a format too: --nodes linear,embedding\n";
}

std::string summary(const QuantizeOutcome& outcome, const std::filesystem::path& out,
                    bool from_file) {
  TerminalTable table({{"quantized", Align::left}, {"", Align::left}});
  table.add_row({"nodes", fmt::format("{}", outcome.quantization.size())});
  table.add_row({"parameters", format_count(static_cast<double>(outcome.parameters))});
  table.add_row({"bytes", fmt::format("{} -> {} ({:.1f} % of float32)",
                                      format_bytes(static_cast<double>(outcome.bytes_before)),
                                      format_bytes(static_cast<double>(outcome.bytes_after)),
                                      100.0 * static_cast<double>(outcome.bytes_after) /
                                          static_cast<double>(outcome.bytes_before))});
  table.add_row({"left in float32", to_string(outcome.left)});
  if (outcome.folded_norms > 0)
    table.add_row({"batch norm",
                   fmt::format("{} went into the filters of convolutions", outcome.folded_norms)});
  table.add_row({"products", outcome.products});
  if (outcome.training && outcome.training->result.kept())
    add_main_metrics(table, *outcome.training->result.kept(), "rounded, validation");
  table.add_row({"saved in", out.string()});
  std::string text = table.render(console().style(), 0);
  text += left_hint(outcome.left, from_file);
  text +=
      outcome.folded_norms > 0
          ? "other libraries cannot read it, nor what --dequantize writes: its batch norm is in "
            "the filters (hone export writes ONNX)\n"
          : "other libraries cannot read it; --dequantize writes what they can\n";
  if (!outcome.packed) text += fmt::format("{}\n", not_packed);
  return text;
}

CommandResult dequantize(const CommandInput& input) {
  for (const char* name : {"format", "formats", "nodes", "data", "keep_batch_norm"})
    if (input.options.contains(name))
      throw UsageError(fmt::format("{} and --dequantize are both given", flag_name(name)),
                       "give one of them");
  if (!input.settings.empty() || input.options.boolean_or("qat", false))
    throw UsageError("--dequantize takes no settings", "leave them out");
  const std::filesystem::path out = input.options.text("out");
  Model model = load_model({.name = input.argument("MODEL")});
  if (formats_of(model.graph).empty())
    throw Error(ErrorCode::invalid_argument,
                input.argument("MODEL") + ": is not quantized: nothing to turn back");
  const std::int64_t before = tensor_bytes(model);
  set_formats(model, {});
  model.history.emplace_back("dequantize");
  if (input.options.boolean_or("overwrite", false)) clear_out(out);
  save_with_tokenizer(model, out);
  console().print(fmt::format("saved in {}: {} as float32{}\n", out.string(),
                              format_bytes(static_cast<double>(tensor_bytes(model))),
                              is_plain(model) ? ""
                                              : " (hone's own form: it is not the network that "
                                                "other libraries have by its name)"));
  return {0,
          {{"out", out.string()}, {"bytes_before", before}, {"bytes_after", tensor_bytes(model)}}};
}

std::optional<CalibrationRequest> calibration_request(const CommandInput& input,
                                                      const PartedSettings& parted) {
  if (!input.options.contains("calibrate")) {
    for (const char* name : {"samples", "range", "percentile"})
      if (input.options.contains(name))
        throw UsageError(fmt::format("--{} changes nothing without --calibrate", name),
                         "name the data: --calibrate imdb:PATH");
    return std::nullopt;
  }
  CalibrationRequest request;
  request.data = input.options.text("calibrate");
  request.tokenizer = input.options.text_or("tokenizer", "");
  request.max_length = input.options.integer_or("max_length", 0);
  request.samples = input.options.integer_or("samples", request.samples);
  const std::string method = input.options.text_or("range", "mse");
  request.method = parse_range_method(method);
  if (input.options.contains("percentile") && request.method != RangeMethod::percentile)
    throw UsageError("--percentile changes nothing with --range " + method,
                     "leave it out, or use --range percentile");
  request.percentile = input.options.real_or("percentile", request.percentile);
  for (const auto& [key, value] : parted.training)
    if (key.rfind("data.", 0) == 0) request.data_settings.emplace_back(key.substr(5), value);
  return request;
}

CommandResult run_quantize(const CommandInput& input) {
  apply_threads(input);
  // (A finished run with the rounding continues with more epochs and is packed anew.)
  const bool resumes =
      input.options.boolean_or("qat", false) && input.options.boolean_or("resume", false);
  if (!resumes || input.options.boolean_or("overwrite", false)) refuse_overwriting(input);
  if (input.options.boolean_or("dequantize", false)) return dequantize(input);
  const PartedSettings parted = part_settings(input);
  QuantizeRequest request;
  request.model = input.argument("MODEL");
  request.out = input.options.text("out");
  request.overwrite = input.options.boolean_or("overwrite", false) || resumes;
  if (input.options.contains("formats")) {
    for (const char* name : {"format", "nodes"})
      if (input.options.contains(name))
        throw UsageError(fmt::format("--{} changes nothing beside --formats", name),
                         "write it into the file");
    if (!parted.format.empty())
      throw UsageError(
          fmt::format("--set {} changes nothing beside --formats", parted.format.front().first),
          "write it into the file");
    request.selections = load_format_file(input.options.text("formats"));
  }
  QuantizeSelection selection;
  selection.nodes = input.options.text_or("nodes", layers_selection);
  selection.format = input.options.text_or("format", "");
  selection.keys = parted.format;
  if (!selection.format.empty() || !selection.keys.empty())
    request.selections.push_back(std::move(selection));
  else if (input.options.contains("nodes"))
    throw UsageError("--nodes is given without --format", "name a format: hone format list");
  if (!input.options.boolean_or("qat", false)) {
    refuse_training_options(input, parted);
  } else {
    if (!input.options.contains("data"))
      throw UsageError("--qat needs --data", "the data to train on, for example imdb:PATH");
    TrainRequest training;
    training.data = input.options.text("data");
    training.tokenizer = input.options.text_or("tokenizer", "");
    training.resume = input.options.boolean_or("resume", false);
    training.overwrite = input.options.boolean_or("overwrite", false);
    training.command = input.line;
    CommandInput training_input = input;
    training_input.settings = parted.training;
    training.settings = command_settings(training_input, train_settings(), false);
    request.training = std::move(training);
  }
  request.calibration = calibration_request(input, parted);
  request.keep_batch_norm = input.options.boolean_or("keep_batch_norm", false);
  request.command = input.line;
  const QuantizeOutcome outcome = run_quantization(request, console_watcher());
  console().finish();
  if (outcome.training && !outcome.training->result.finished) {
    console().note("stopped and saved; the same command with --resume continues");
    return {exit_interrupted, to_json(outcome, request.out)};
  }
  console().print(summary(outcome, request.out, input.options.contains("formats")));
  return {0, to_json(outcome, request.out)};
}

}  // namespace

Command command_quantize() {
  Command command{
      {"quantize", "rounds a model to a number format and packs it into real bits", {}}};
  command.options = {
      {.name = "format", .default_value = {}, .help = "number format (hone format list)"},
      {.name = "nodes",
       .default_value = {},
       .help = "what takes it: op types, names of nodes (hone explain), layers or parameters (hone "
               "inspect), or regular expressions, separated by commas; default: layers, all that "
               "multiply "
               "by a weight"},
      {.name = "formats",
       .default_value = {},
       .help =
           "instead: a TOML file of tables [[formats]] with nodes, format and options; the first "
           "that matches a node wins"},
      {.name = "out", .default_value = {}, .help = "folder of the packed model"},
      {.name = "keep_batch_norm",
       .type = OptionType::boolean,
       .default_value = {},
       .help = "leave batch norm beside convolutions that take a format; otherwise it goes into "
               "their filters first, as it will when they run (of a network that --qat starts "
               "afresh it stays)"},
      {.name = "calibrate",
       .default_value = {},
       .help =
           "fit scales, points and biases of the formats to this data (its split train); "
           "weights in affine keep the scales of their own channels; of a model without texts a "
           "file of tensors by the names of its inputs (.npz, .safetensors, .npy)"},
      {.name = "samples",
       .type = OptionType::integer,
       .default_value = {},
       .help = "with --calibrate: how many samples; default: 256",
       .minimum = 1,
       .maximum = 1e9},
      {.name = "range",
       .default_value = {},
       .help = "with --calibrate: how a range is chosen; default: mse",
       .choices = {"min_max", "moving_average", "percentile", "mse"}},
      {.name = "percentile",
       .type = OptionType::real,
       .default_value = {},
       .help = "with --range percentile: the share of numbers inside; default: 99.99",
       .minimum = 50,
       .maximum = 100},
      {.name = "qat",
       .type = OptionType::boolean,
       .default_value = {},
       .help = "train with the rounding before packing (quantization-aware training)"},
      {.name = "data", .default_value = {}, .help = "with --qat: what to train on"},
      {.name = "tokenizer",
       .default_value = {},
       .help = "folder or file of the tokenizer; default: the model's own"},
      {.name = "resume",
       .type = OptionType::boolean,
       .default_value = {},
       .help = "with --qat: continue the training in --out"},
      {.name = "overwrite",
       .type = OptionType::boolean,
       .default_value = {},
       .help = "replace what is in --out"},
      {.name = "dequantize",
       .type = OptionType::boolean,
       .default_value = {},
       .help = "write the numbers of a packed model as a plain float32 folder instead"}};
  for (OptionSpec& spec : pick(train_settings(), training_flags)) {
    if (spec.name == "max_length")
      spec.help = "with --qat or --calibrate: " + spec.help;
    else if (spec.name != "threads")
      spec.help = "with --qat: " + spec.help;
    spec.default_value.reset();
    command.options.push_back(std::move(spec));
  }
  command.arguments = {{"MODEL", "a model folder"}};
  command.placeholders = {{"data", "DATA"},      {"out", "DIR"},        {"tokenizer", "DIR"},
                          {"format", "NAME"},    {"nodes", "PATTERNS"}, {"formats", "FILE"},
                          {"calibrate", "DATA"}, {"range", "METHOD"}};
  command.required = {"out"};
  command.settings_note =
      "Options of the format for all slots (width=8) or one (weight_width=4, data_in_frac_width=2, "
      "bias_format=none); slots: data_in, weight, bias, and where named data_out and (of "
      "attention) probabilities. hone format show NAME lists them. With --qat also the settings of "
      "hone train.";
  command.examples = {
      "hone quantize runs/imdb --format integer --set width=8 --set frac_width=6 --out runs/int8",
      "hone quantize runs/imdb --format integer --nodes linear,attention --set frac_width=4 --set "
      "probabilities_frac_width=8 --set probabilities_is_signed=false --out runs/int8-attention",
      "hone quantize runs/imdb --format mxint --nodes linear,embedding --out runs/mxint8",
      "hone quantize runs/imdb --format integer --set width=4 --qat --data imdb:aclImdb_v1.tar.gz "
      "--lr 5e-5 --out runs/qat4"};
  command.run = run_quantize;
  return command;
}

}  // namespace hone
