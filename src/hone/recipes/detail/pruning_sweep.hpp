// The work of the recipe pruning_sweep. In runs/NAME:
//
//   record.jsonl                 one line a point; the report is drawn from it
//   result.json                  all points, at the end
//   seed-0/float/                the float model, when the recipe trains it
//   seed-0/CURVE/0.5/pruned/     result.json of the point, model/: pruned, not trained
//   seed-0/CURVE/0.5/tuned/      the same after training; training/ is its record
//   seed-0/CURVE/0.5/speed/      latency and bytes on disk of the trained model
//
// See recipes/experiment.hpp for what is kept and what continues.
#pragma once

#include "hone/core/json.hpp"
#include "hone/recipes/recipe.hpp"

namespace hone {

Json run_pruning_sweep(const RecipeCall& call, const RunWatcher& watcher);

}  // namespace hone
