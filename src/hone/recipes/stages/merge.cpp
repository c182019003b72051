// merge: adds adapters to the weights.
#include "hone/frontends/load_model.hpp"
#include "hone/passes/lora.hpp"
#include "hone/recipes/quantize_run.hpp"
#include "hone/recipes/stage.hpp"

namespace hone {
namespace {
namespace merge_stage {

double run(const StageCall& call) {
  Model model = load_model({.name = call.model});
  merge_adapters(model, {.dequantize = call.values.boolean_or("dequantize", false),
                         .dense = call.values.boolean_or("dense", false),
                         .keep_masks = call.values.boolean_or("keep_masks", false)});
  save_with_tokenizer(model, call.out);
  return 0;
}

}  // namespace merge_stage
}  // namespace

Stage stage_merge() {
  using namespace merge_stage;
  Stage stage{{"merge",
               "adds the adapters to the weights",
               {{.name = "dequantize",
                 .type = OptionType::boolean,
                 .default_value = false,
                 .help = "let the number formats of a quantized base go"},
                {.name = "dense",
                 .type = OptionType::boolean,
                 .default_value = false,
                 .help = "let the masks of pruned layers go"},
                {.name = "keep_masks",
                 .type = OptionType::boolean,
                 .default_value = false,
                 .help = "keep them: what the adapters add behind them is dropped"}}}};
  stage.run = run;
  return stage;
}

}  // namespace hone
