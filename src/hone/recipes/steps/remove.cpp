// remove: takes structures of zeros out of a pruned model.
#include "hone/recipes/prune_run.hpp"
#include "hone/recipes/step.hpp"

namespace hone {
namespace {

double run(const StepCall& call) {
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

}  // namespace

Step step_remove() {
  Step step{{"remove", "takes heads, neurons and branches of zeros out"}};
  step.run = run;
  return step;
}

}  // namespace hone
