// pack: puts weights that were trained with the rounding into their packed bits.
#include "hone/recipes/quantize_run.hpp"
#include "hone/recipes/stage.hpp"

namespace hone {
namespace {
namespace pack_stage {

double run(const StageCall& call) {
  QuantizeRequest request;
  request.model = call.model;
  request.out = call.out;
  request.overwrite = true;
  request.command = call.command;
  run_quantization(request, call.watcher);
  return 0;
}

}  // namespace pack_stage
}  // namespace

Stage stage_pack() {
  using namespace pack_stage;
  Stage stage{{"pack", "packs the weights into the formats that the model has"}};
  stage.run = run;
  return stage;
}

}  // namespace hone
