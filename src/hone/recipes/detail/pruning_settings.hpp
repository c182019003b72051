// What a pruning_sweep recipe asks for, read and checked before anything is computed.
#pragma once

#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/recipes/detail/sweep_base.hpp"
#include "hone/recipes/prune_run.hpp"

namespace hone {

// One way to prune.
struct PruningCurve {
  std::string name;
  std::string folder;                   // the name, as folders are called
  std::string against;                  // an earlier curve that it is tested against; "": none
  std::vector<double> sparsities = {};  // of the sweep's, in any order
  PruneRequest pruning;                 // one selection, without sparsity, model and out
  bool activations = false;             // of the data that these nodes read the same share goes
  bool remove = false;                  // what the masks leave without effect is taken out
  Options training;                     // what its training has of its own

  bool has(double sparsity) const;
  // Without model and out.
  PruneRequest request(double sparsity, std::int64_t seed) const;
};

struct PruningSettings {
  BaseSettings base;
  std::vector<double> sparsities;
  std::vector<PruningCurve> curves;
};

std::vector<OptionSpec> pruning_sweep_options();
// The list [[curves]].
RecipeList pruning_curve_list();
// Throws Error(invalid_argument) naming the file and the key.
PruningSettings read_pruning_settings(const RecipeCall& call);
// What decides the results: curves, sparsities, seeds and places left out.
Json pruning_identity(const RecipeCall& call, const PruningSettings& settings);
// What decides the results of one curve, beside the experiment.
Json curve_identity(const PruningCurve& curve);

}  // namespace hone
