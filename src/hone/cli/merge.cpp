#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/out_folder.hpp"
#include "hone/cli/detail/program.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/passes/lora.hpp"
#include "hone/recipes/quantize_run.hpp"
#include "hone/report/numbers.hpp"

namespace hone {
namespace {

CommandResult run_merge(const CommandInput& input) {
  refuse_replacing(input);
  const std::filesystem::path out = input.options.text("out");
  Model model = load_model({.name = input.argument("MODEL")});
  std::vector<std::string> names;
  std::size_t layers = 0;
  for (const Adapter& adapter : adapters_of(model.graph)) {
    names.push_back(adapter.settings.name);
    layers += adapter.layers.size();
  }
  merge_adapters(model, {.dequantize = input.options.boolean_or("dequantize", false),
                         .dense = input.options.boolean_or("dense", false),
                         .keep_masks = input.options.boolean_or("keep-masks", false)});
  if (input.options.boolean_or("overwrite", false)) clear_out(out);
  save_with_tokenizer(model, out);
  console().print(fmt::format("saved in {}: adapter {} merged into {} layers, {} as float32\n",
                              out.string(), fmt::join(names, ", "), layers,
                              format_bytes(static_cast<double>(tensor_bytes(model)))));
  return {0,
          {{"out", out.string()},
           {"adapters", names},
           {"layers", static_cast<std::int64_t>(layers)},
           {"bytes", tensor_bytes(model)}}};
}

}  // namespace

Command command_merge() {
  Command command{{"merge", "adds a model's adapters to its weights: a plain folder again", {}}};
  command.options = {{.name = "out", .default_value = {}, .help = "folder of the merged model"},
                     {.name = "dequantize",
                      .type = OptionType::boolean,
                      .default_value = {},
                      .help = "let the number formats of a quantized base go"},
                     {.name = "dense",
                      .type = OptionType::boolean,
                      .default_value = {},
                      .help = "let the masks of pruned layers go: an adapter fills their zeros"},
                     {.name = "keep-masks",
                      .type = OptionType::boolean,
                      .default_value = {},
                      .help = "keep the masks of pruned layers: what the adapter adds behind them "
                              "is dropped, so answers may change"},
                     {.name = "overwrite",
                      .type = OptionType::boolean,
                      .default_value = {},
                      .help = "replace what is in --out"}};
  command.arguments = {
      {"MODEL",
       "a model folder with adapters (hone train --lora), or an adapter's folder of PEFT "
       "whose base is on this machine"}};
  command.placeholders = {{"out", "DIR"}};
  command.required = {"out"};
  command.examples = {"hone merge runs/adapted --out runs/merged"};
  command.run = run_merge;
  return command;
}

}  // namespace hone
