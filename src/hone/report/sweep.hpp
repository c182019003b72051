// A sweep over widths, arranged for plots and tables: what rounding alone costs (PTQ), and what
// training with the rounding gives back (QAT).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/report/measured_points.hpp"
#include "hone/report/tables.hpp"

namespace hone {

struct SweepRow {
  std::int64_t width = 0;
  std::optional<SweepValue> ptq, qat;
  SweepDifference qat_to_ptq, ptq_to_float, qat_to_float;
};

struct Sweep {
  std::string format;
  std::optional<SweepValue> base;  // float32
  std::vector<SweepRow> rows;      // ascending width
};

Sweep arrange_sweep(const RunSummary& run);
// The narrowest width from which on no loss against float is more than noise; 0: none.
std::int64_t narrowest_without_loss(const Sweep& sweep, bool qat);
// Sentences: where the two curves differ, where they do not, from where on nothing is lost.
std::string describe_sweep(const Sweep& sweep);
ReportTable sweep_table(const Sweep& sweep, const std::string& title);
// What the page draws.
Json sweep_data(const Sweep& sweep);

}  // namespace hone
