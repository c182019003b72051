// What `hone prune` prints of its result.
#pragma once

#include <filesystem>
#include <string>

#include "hone/recipes/prune_run.hpp"

namespace hone {

// Shares by weight, what was pruned, removed and measured, and where it is saved.
std::string summarize_pruning(const PruneOutcome& outcome, const std::filesystem::path& out);

}  // namespace hone
