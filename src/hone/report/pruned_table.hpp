// Tables of what pruning left of a model.
#pragma once

#include <span>
#include <string>

#include "hone/report/summary.hpp"
#include "hone/report/tables.hpp"

namespace hone {

// Shares of weights and parameters that went, activations, training, what was removed, sizes and
// the verdict; one column a run. Without rows where no run pruned anything.
ReportTable pruned_table(std::span<const RunSummary> runs);
// What was measured of dense, masked and removed. Without rows where nothing was.
ReportTable pruned_latency_table(const RunSummary& run, const std::string& title);
// The weights of one run, each with its sparsity. Without rows where none has a mask.
ReportTable pruned_layers_table(const RunSummary& run, const std::string& title);

}  // namespace hone
