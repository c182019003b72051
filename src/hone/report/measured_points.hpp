// Points of sweeps that differ in their seed alone, together; and two such groups compared.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/report/summary.hpp"

namespace hone {

// The seeds together. One seed has the interval of its samples, several that of their mean
// (Student's t).
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

// A difference: judged by McNemar's test with one seed, by the interval of the mean difference with
// several.
struct SweepDifference {
  double points = not_recorded;  // mean, as a fraction
  double p = not_recorded;       // of McNemar's test, with one seed
  enum class Verdict { unknown, noise, better, worse } verdict = Verdict::unknown;
};

using MeasuredPoints = std::vector<const MeasuredPoint*>;

// " (n = 25,000)": of how many samples; "" where that is not known.
std::string in_brackets(const std::optional<SweepValue>& value);

// Ascending.
MeasuredPoints by_seed(MeasuredPoints points);
// Ascending by seed; none: nothing.
std::optional<SweepValue> join_seeds(const MeasuredPoints& points);
// Seeds are paired; one that has all seeds in common stands against each. `p` is that of the test
// of the first of `points`.
SweepDifference compare_seeds(const MeasuredPoints& points, const MeasuredPoints& against,
                              double p);

// "87.2 % (86.8-87.6)", or a dash where there is nothing.
std::string show_accuracy(const std::optional<SweepValue>& value);
// "+1.25": points of a hundred.
std::string show_points(const SweepDifference& difference);
// What a page draws of a value; null: nothing.
Json accuracy_data(const std::optional<SweepValue>& value);
// "1.25 ms", or a dash.
std::string show_latency(double seconds);
// What a page draws of a cost.
Json cost_data(const MeasuredCost& cost);
// A number with eight digits; null where it is not finite.
Json short_number(double value);

}  // namespace hone
