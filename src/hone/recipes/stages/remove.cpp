// remove: takes structures of zeros out of a pruned model.
#include "hone/recipes/prune_run.hpp"
#include "hone/recipes/stage.hpp"

namespace hone {
namespace {
namespace remove_stage {

double run(const StageCall& call) {
  PruneRequest request;
  request.model = call.model;
  request.out = call.out;
  request.overwrite = true;
  request.measure = false;
  request.remove = true;
  request.command = call.command;
  run_pruning(request, call.watcher);
  return 0;
}

}  // namespace remove_stage
}  // namespace

Stage stage_remove() {
  using namespace remove_stage;
  Stage stage{{"remove", "takes heads, neurons and branches of zeros out"}};
  stage.run = run;
  return stage;
}

}  // namespace hone
