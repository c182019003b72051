// quantize: gives nodes number formats; the weights are rounded and packed. A train stage after it
// trains with the rounding.
#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/passes/packing.hpp"
#include "hone/recipes/format_file.hpp"
#include "hone/recipes/quantize_run.hpp"
#include "hone/recipes/stage.hpp"

namespace hone {
namespace {
namespace quantize_stage {

std::vector<QuantizeSelection> selections_of(const Options& values, const std::string& where) {
  if (values.contains("formats")) return load_format_file(values.text("formats"));
  QuantizeSelection selection{
      values.text_or("nodes", layers_selection), values.text_or("format", ""), {}};
  if (const std::string keys = values.text_or("format_options", ""); !keys.empty())
    for (const std::string& part : split(keys, ','))
      selection.keys.push_back(split_setting(part, where + ": key 'format_options'"));
  return {selection};
}

void check(const StageCheck& call) {
  const auto& [values, training, graph, where] = call;
  const auto refuse = [&](const std::string& message, const std::string& hint) {
    throw Error(ErrorCode::invalid_argument, where + ": " + message, hint);
  };
  if (values.contains("formats") == values.contains("format"))
    refuse("give one of the keys 'format' and 'formats'",
           "the name of a format (hone list formats), or a file of [[formats]]");
  if (values.contains("formats"))
    for (const char* name : {"nodes", "format_options"})
      if (values.contains(name))
        refuse(fmt::format("key '{}' changes nothing beside 'formats'", name),
               "write it into the file");
  if (!values.boolean_or("calibrate", false))
    for (const char* name : {"samples", "range"})
      if (values.contains(name))
        refuse(fmt::format("key '{}' changes nothing without 'calibrate'", name), "leave it out");
  if (values.contains("format")) find_format(values.text("format"));
  const std::vector<QuantizeSelection> selections = selections_of(values, where);
  // (Nodes of a graph of packed bits are selected once it is unpacked.)
  if (is_packed(graph)) return;
  at_place(where, [&] { select_formats(graph, selections); });
}

std::string describe(const Options& values) {
  if (values.contains("formats")) return "quantize by " + values.text("formats");
  std::string text = "quantize " + values.text_or("format", "");
  if (values.contains("format_options")) text += " " + values.text("format_options");
  return text;
}

double run(const StageCall& call) {
  QuantizeRequest request;
  request.model = call.model;
  request.selections = selections_of(call.values, "[[stages]]");
  request.out = call.out;
  request.overwrite = true;
  request.keep_batch_norm = call.values.boolean_or("keep_batch_norm", false);
  request.command = call.command;
  if (call.values.boolean_or("calibrate", false)) {
    CalibrationRequest calibration;
    calibration.data = call.data;
    calibration.data_settings = call.data_settings;
    calibration.tokenizer = call.tokenizer;
    calibration.max_length = call.max_length;
    calibration.samples = call.values.integer_or("samples", calibration.samples);
    if (call.values.contains("range"))
      calibration.method = parse_range_method(call.values.text("range"));
    request.calibration = calibration;
  }
  run_quantization(request, call.watcher);
  return 0;
}

}  // namespace quantize_stage
}  // namespace

Stage stage_quantize() {
  using namespace quantize_stage;
  Stage stage{
      {"quantize",
       "rounds weights and data to a number format, and packs the weights",
       {{.name = "format", .default_value = {}, .help = "the number format"},
        {.name = "nodes", .default_value = layers_selection, .help = "what takes it, as --nodes"},
        {.name = "format_options",
         .default_value = {},
         .help = "list of keys of the format: [\"width=8\", \"bias_format=none\"]"},
        {.name = "formats",
         .default_value = {},
         .help = "instead: a TOML file of [[formats]], the first that matches a node wins"},
        {.name = "keep_batch_norm",
         .type = OptionType::boolean,
         .default_value = false,
         .help = "leave batch norm beside convolutions that take a format; otherwise it "
                 "goes into their filters first"},
        {.name = "calibrate",
         .type = OptionType::boolean,
         .default_value = false,
         .help = "fit the ranges to the data first"},
        {.name = "samples",
         .type = OptionType::integer,
         .default_value = std::int64_t{256},
         .help = "to calibrate on",
         .minimum = 1,
         .maximum = 1e9},
        {.name = "range",
         .default_value = "mse",
         .help = "how a range is fitted",
         .choices = {"mse", "min_max", "moving_average", "percentile"}}}}};
  stage.files = {"formats"};
  stage.check = check;
  stage.describe = describe;
  stage.run = run;
  return stage;
}

}  // namespace hone
