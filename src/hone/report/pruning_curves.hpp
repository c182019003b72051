// A sweep over sparsities, arranged for plots and tables: for each way to prune a curve, before and
// after training, with what it makes of latency and size.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/report/measured_points.hpp"
#include "hone/report/tables.hpp"

namespace hone {

struct PruningRow {
  double sparsity = 0;
  std::optional<SweepValue> pruned, tuned;  // before and after training
  SweepDifference to_float, to_other;       // of tuned; to the curve that it stands against
  std::optional<PruningPoint> speed;        // of the first seed
};

struct PruningCurveRows {
  std::string name, against;
  std::vector<PruningRow> rows;  // ascending sparsity
};

struct PruningCurves {
  std::optional<SweepValue> base;        // the float model
  std::vector<PruningCurveRows> curves;  // in the order of the record
};

PruningCurves arrange_pruning(const RunSummary& run);
// The largest sparsity up to which no loss against float is more than noise; 0: none.
double largest_without_loss(const PruningCurveRows& curve);
// Where no loss was detected: "up to 50 %", or "at 30 % and 50 %" where a smaller sparsity lost; ""
// where nowhere.
std::string where_without_loss(const PruningCurveRows& curve);
// The headline: how much may go without a loss, by the best curve. "" where nothing was compared.
std::string describe_pruning_cost(const PruningCurves& curves);
// Sentences: where curves differ, up to where nothing is lost.
std::string describe_pruning(const PruningCurves& curves);
ReportTable pruning_curves_table(const PruningCurves& curves, const std::string& title);
// What the page draws.
Json pruning_curves_data(const PruningCurves& curves);

}  // namespace hone
