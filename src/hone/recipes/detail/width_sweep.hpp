// The work of the recipe ptq_vs_qat. In runs/NAME:
//
//   record.jsonl           one line a point; the report is drawn from it
//   result.json            all points, at the end
//   seed-0/float/          the float model, when the recipe trains it
//   seed-0/ptq-4/          result.json of the point
//   seed-0/qat-4/          the same; model/ is the packed model, training/ the record of its
//   training
//
// A point that has its result.json is not computed again; a training that was cut off continues
// from its last checkpoint.
#pragma once

#include <vector>

#include "hone/core/json.hpp"
#include "hone/recipes/recipe.hpp"

namespace hone {

std::vector<OptionSpec> width_sweep_options();
Json run_width_sweep(const RecipeCall& call, const RunWatcher& watcher);

}  // namespace hone
