#include <filesystem>

#include <fmt/format.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/out_folder.hpp"
#include "hone/frontends/onnx/import_onnx.hpp"
#include "hone/frontends/saved_model.hpp"
#include "hone/recipes/train_run.hpp"
#include "hone/report/numbers.hpp"

namespace hone {
namespace {

std::string describe_values(const Graph& graph, bool inputs) {
  std::string text;
  const auto add = [&](const std::string& name, const ValueType& type) {
    text += fmt::format("  {} {}\n", name, to_string(type));
  };
  if (inputs) {
    for (const Value& value : graph.values)
      if (value.kind == ValueKind::input) add(value.name, value.type);
  } else {
    for (const auto& [name, id] : graph.outputs) add(name, graph.type(id));
  }
  return text;
}

CommandResult run_import(const CommandInput& input) {
  refuse_replacing(input);
  const std::filesystem::path out = input.options.text("out");
  const Model model = import_onnx(input.argument("FILE"));
  if (input.options.boolean_or("overwrite", false)) clear_out(out);
  save_model(out, model, model.tensors);
  console().print(fmt::format("saved in {}: {} nodes, {} numbers, {}\ninputs\n{}outputs\n{}",
                              out.string(), model.graph.nodes.size(), parameter_count(model),
                              format_bytes(static_cast<double>(tensor_bytes(model))),
                              describe_values(model.graph, true),
                              describe_values(model.graph, false)));
  return {0,
          {{"out", out.string()},
           {"nodes", static_cast<std::int64_t>(model.graph.nodes.size())},
           {"parameters", parameter_count(model)},
           {"bytes", tensor_bytes(model)}}};
}

}  // namespace

Command command_import() {
  Command command{{"import", "makes a model of an ONNX file", {}}};
  command.arguments = {{"FILE", "the .onnx file; external data lies beside it"}};
  command.options = {{.name = "out", .default_value = {}, .help = "folder of the model"},
                     {.name = "overwrite",
                      .type = OptionType::boolean,
                      .default_value = {},
                      .help = "replace what is in --out"}};
  command.placeholders = {{"out", "DIR"}};
  command.required = {"out"};
  command.examples = {"hone import network.onnx --out models/network"};
  command.run = run_import;
  return command;
}

}  // namespace hone
