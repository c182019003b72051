// Points of a timing experiment, arranged for plots and tables: a chart for each thing that is
// timed, in it a curve for each form of it.
#pragma once

#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/report/summary.hpp"
#include "hone/report/tables.hpp"

namespace hone {

struct BenchRow {
  BenchPoint point;
  // How many times as long the curve that it stands against takes at the same place.
  double times_faster = not_recorded;
};

struct BenchCurve {
  std::string name, against;
  std::vector<BenchRow> rows;  // ascending place
};

struct BenchChart {
  std::string what, axis;
  std::vector<BenchCurve> curves;  // in the order of the record
};

// In the order of the record.
std::vector<BenchChart> arrange_bench(const RunSummary& run);
// The headline: the widest gap between two curves at the last place. "" where nothing was compared.
std::string describe_bench(const std::vector<BenchChart>& charts);
ReportTable bench_table(const std::vector<BenchChart>& charts, const std::string& title);
// What the page draws.
Json bench_data(const std::vector<BenchChart>& charts);

}  // namespace hone
