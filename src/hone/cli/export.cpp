#include <filesystem>

#include <fmt/format.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/core/text.hpp"
#include "hone/core/usage_error.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/frontends/onnx/export_onnx.hpp"

namespace hone {
namespace {

CommandResult run_export(const CommandInput& input) {
  namespace fs = std::filesystem;
  const fs::path file = input.options.text("out");
  if (file.extension() != ".onnx")
    throw UsageError(fmt::format("--out {}: the file's name ends in .onnx", file.string()));
  const std::string model = input.argument("MODEL");
  std::error_code failed;
  if (fs::equivalent(file, model, failed))
    throw UsageError("--out " + file.string() + " is the model that is read",
                     "choose another file");
  OnnxExport settings;
  if (fs::path(model).extension() == ".onnx") settings.source = model;
  settings.qdq = input.options.boolean_or("qdq", false);
  settings.opset = input.options.integer_or("opset", newest_exported_opset);
  export_onnx(load_model({.name = model}), file, settings);
  auto bytes = static_cast<std::int64_t>(fs::file_size(file));
  fs::path data = file;
  data += ".data";
  const auto beside = fs::file_size(data, failed);
  if (!failed) bytes += static_cast<std::int64_t>(beside);
  console().print(fmt::format("wrote {}: operator set {}, {}{}\n", file.string(), settings.opset,
                              format_bytes(static_cast<double>(bytes)),
                              failed ? "" : ", weights in " + data.filename().string()));
  return {0, {{"out", file.string()}, {"opset", settings.opset}, {"bytes", bytes}}};
}

}  // namespace

Command command_export() {
  Command command{{"export", "writes a model as an ONNX file", {}}};
  command.arguments = {{"MODEL", "a model folder, an .onnx file, or a built-in name"}};
  command.options = {
      {.name = "out", .default_value = {}, .help = "the file; weights of 1.9 GB lie beside it"},
      {.name = "qdq",
       .type = OptionType::boolean,
       .default_value = {},
       .help = "rounded values as QuantizeLinear and DequantizeLinear, rounded weights as "
               "integers; else as float32 and arithmetic"},
      {.name = "opset",
       .type = OptionType::integer,
       .default_value = newest_exported_opset,
       .help = "ONNX's operator set",
       .minimum = static_cast<double>(oldest_exported_opset),
       .maximum = static_cast<double>(newest_exported_opset)}};
  command.placeholders = {{"out", "FILE"}, {"opset", "N"}};
  command.letters = {{"out", 'o'}};
  command.required = {"out"};
  command.examples = {"hone export runs/imdb -o imdb.onnx",
                      "hone export runs/int8 -o int8.onnx --qdq --opset 21"};
  command.run = run_export;
  return command;
}

}  // namespace hone
