// A sweep over widths, arranged for plots and tables: what rounding alone costs (PTQ), and what
// training with the rounding gives back (QAT).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/report/tables.hpp"

namespace hone {

// Of one kind at one width: the seeds together. One seed has the interval of its samples, several
// that of their mean (Student's t).
struct SweepValue {
  double accuracy = not_recorded;
  double low = not_recorded;
  double high = not_recorded;
  double loss = not_recorded;
  double bytes = not_recorded;
  double bits_per_weight = not_recorded;
  double samples = not_recorded;
  std::size_t seeds = 0;
};

// A difference of two kinds at one width: judged by McNemar's test with one seed, by the interval
// of the mean difference with several.
struct SweepDifference {
  double points = not_recorded;  // mean, as a fraction
  double p = not_recorded;       // of McNemar's test, with one seed
  enum class Verdict { unknown, noise, better, worse } verdict = Verdict::unknown;
};

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
