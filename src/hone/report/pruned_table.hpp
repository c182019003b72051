// Tables of what pruning left of a model.
#pragma once

#include <span>
#include <string>

#include "hone/report/summary.hpp"
#include "hone/report/tables.hpp"

namespace hone {

// Shares of weights and parameters that went, activations, training; one column a run. Without rows
// where no run pruned anything.
ReportTable pruned_table(std::span<const RunSummary> runs);
// The weights of one run, each with its sparsity. Without rows where none has a mask.
ReportTable pruned_layers_table(const RunSummary& run, const std::string& title);

}  // namespace hone
