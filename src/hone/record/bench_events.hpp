// Points of timing experiments: how long one form of a computation takes at one size.
#pragma once

#include <string>

#include "hone/record/fields.hpp"

namespace hone {

struct BenchPoint {
  static constexpr const char* event_name = "bench_point";
  std::string what = {};     // what is timed; each has a chart of its own: "forward"
  std::string series = {};   // the form, a line of the chart: "fused, f16"
  std::string against = {};  // the series that it is compared with; "": none
  std::string axis = {};     // what `at` counts: "length"
  double at = not_recorded;
  double runs = not_recorded;                                             // that were counted
  double median = not_recorded, low = not_recorded, high = not_recorded;  // seconds of a run
  double compile_seconds = not_recorded;
  double bytes = not_recorded;  // that it takes beside its inputs
};
void fields(FieldVisitor& visitor, BenchPoint& point);

}  // namespace hone
