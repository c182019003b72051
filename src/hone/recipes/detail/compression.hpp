// The work of the recipe compress. In runs/NAME:
//
//   record.jsonl             one line a stage; the report is drawn from it
//   result.json              all stages, at the end
//   seed-0/float/            the model that it begins with, when the recipe trains it
//   seed-0/1-train/          result.json of the stage, model/ that it leaves, work/ its training
//   seed-0/2-quantize/       ...
//
// See recipes/experiment.hpp for what is kept and what continues.
#pragma once

#include <vector>

#include "hone/core/json.hpp"
#include "hone/recipes/recipe.hpp"

namespace hone {

std::vector<OptionSpec> compression_options();
// The list [[stages]].
RecipeList compression_stages();
Json run_compression(const RecipeCall& call, const RunWatcher& watcher);

}  // namespace hone
