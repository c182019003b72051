#include "hone/report/measured_points.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

#include "hone/report/finding.hpp"
#include "hone/report/mean_interval.hpp"
#include "hone/report/numbers.hpp"
#include "hone/report/paired_test.hpp"

namespace hone {
namespace {

using Verdict = SweepDifference::Verdict;

constexpr double significance = 0.05;

}  // namespace

MeasuredPoints by_seed(MeasuredPoints points) {
  std::sort(points.begin(), points.end(),
            [](const MeasuredPoint* a, const MeasuredPoint* b) { return a->seed < b->seed; });
  return points;
}

std::optional<SweepValue> join_seeds(const MeasuredPoints& points) {
  if (points.empty()) return std::nullopt;
  std::vector<double> accuracies;
  double loss = 0;
  for (const MeasuredPoint* point : points) {
    accuracies.push_back(point->accuracy);
    loss += point->loss / static_cast<double>(points.size());
  }
  const MeasuredPoint& first = *points.front();
  SweepValue value{first.accuracy,        first.low,     first.high,   loss, first.bytes,
                   first.bits_per_weight, first.samples, points.size()};
  if (points.size() == 1) return value;
  const MeanInterval mean = mean_interval(accuracies);
  value.accuracy = mean.mean;
  value.low = std::max(0.0, mean.mean - mean.half_width);
  value.high = std::min(1.0, mean.mean + mean.half_width);
  return value;
}

SweepDifference compare_seeds(const MeasuredPoints& points, const MeasuredPoints& against,
                              double p) {
  SweepDifference result;
  std::vector<double> differences;
  for (const MeasuredPoint* point : points)
    for (const MeasuredPoint* other : against)
      if (against.size() == 1 || points.size() == 1 || other->seed == point->seed)
        differences.push_back(point->accuracy - other->accuracy);
  if (differences.empty()) return result;
  const MeanInterval mean = mean_interval(differences);
  result.points = mean.mean;
  bool differs = false;
  if (differences.size() == 1) {
    result.p = p;
    if (std::isnan(result.p)) return result;
    differs = result.p < significance;
  } else {
    differs = std::abs(mean.mean) > mean.half_width;
  }
  result.verdict = !differs ? Verdict::noise : mean.mean > 0 ? Verdict::better : Verdict::worse;
  return result;
}

std::string show_accuracy(const std::optional<SweepValue>& value) {
  return value ? format_interval(value->accuracy, value->low, value->high) : "—";
}

std::string show_points(const SweepDifference& difference) {
  return std::isnan(difference.points) ? "—" : fmt::format("{:+.2f}", 100 * difference.points);
}

Json short_number(double value) {
  return std::isfinite(value) ? Json(std::strtod(fmt::format("{:.8g}", value).c_str(), nullptr))
                              : Json(nullptr);
}

std::string show_latency(double seconds) {
  return std::isfinite(seconds) ? fmt::format("{} ms", format_significant(1e3 * seconds, 3)) : "—";
}

std::string in_brackets(const std::optional<SweepValue>& value) {
  const std::string count = value ? sample_count(value->samples) : "";
  return count.empty() ? "" : " (" + count + ")";
}

Json cost_data(const MeasuredCost& cost) {
  return {{"latency", short_number(cost.latency)},
          {"low", short_number(cost.latency_low)},
          {"high", short_number(cost.latency_high)},
          {"float_latency", short_number(cost.float_latency)},
          {"speed", cost.speed},
          {"bytes", short_number(cost.bytes_on_disk)},
          {"size", format_bytes(cost.bytes_on_disk)}};
}

Json accuracy_data(const std::optional<SweepValue>& value) {
  if (!value) return nullptr;
  return {{"accuracy", short_number(value->accuracy)}, {"low", short_number(value->low)},
          {"high", short_number(value->high)},         {"bytes", short_number(value->bytes)},
          {"size", format_bytes(value->bytes)},        {"text", show_accuracy(value)}};
}

}  // namespace hone
