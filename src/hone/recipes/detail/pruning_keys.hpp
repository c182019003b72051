// Keys that say how weights are pruned, wherever a recipe prunes.
#pragma once

#include <string>
#include <vector>

#include "hone/core/options.hpp"
#include "hone/recipes/prune_run.hpp"

namespace hone {

// method, granularity, scope, nodes, rule.
std::vector<OptionSpec> pruning_keys();
// What they ask for: one selection, whose sparsity is not set. Errors begin with `where`.
PruneRequest read_pruning_keys(const Options& values, const std::string& where);

}  // namespace hone
