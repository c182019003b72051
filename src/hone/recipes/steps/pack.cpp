// pack: puts weights that were trained with the rounding into their packed bits.
#include "hone/recipes/quantize_run.hpp"
#include "hone/recipes/step.hpp"

namespace hone {
namespace {

double run(const StepCall& call) {
  QuantizeRequest request;
  request.model = call.model;
  request.out = call.out;
  request.overwrite = true;
  request.command = call.command;
  run_quantization(request, call.watcher);
  return 0;
}

}  // namespace

Step step_pack() {
  Step step{{"pack", "packs the weights into the formats that the model has"}};
  step.run = run;
  return step;
}

}  // namespace hone
