#include "hone/numerics/value_stats.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone {
namespace {

constexpr std::int64_t header = 6;
constexpr std::int64_t half = ValueStats::bins / 2;
constexpr double averaging = 0.1;

// Exponent and three bits of the fraction.
std::int64_t bin_of(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto magnitude = static_cast<std::int64_t>((bits & 0x7FFFFFFFu) >> 20);
  return (bits >> 31) != 0 ? magnitude : half + magnitude;
}

// The middle of a bin; numbers below float32's normal ones count as zero.
float middle_of(std::int64_t bin) {
  const std::int64_t magnitude = bin < half ? bin : bin - half;
  if (magnitude < 8) return 0.0f;
  const float value =
      std::bit_cast<float>((static_cast<std::uint32_t>(magnitude) << 20) | (1u << 19));
  return bin < half ? -value : value;
}

// Bins from the least number to the largest.
std::int64_t ordered(std::int64_t i) { return i < half ? half - 1 - i : i; }

}  // namespace

ValueStats::ValueStats(Tensor counts) : counts_(std::move(counts)) {
  if (counts_.dtype() != DType::f64 || counts_.shape() != Shape{size})
    throw Error(ErrorCode::internal, "statistics are f64[" + std::to_string(size) + "]");
}

void ValueStats::add(std::span<const float> values) {
  double* c = counts_.as<double>();
  float least = std::numeric_limits<float>::infinity();
  float most = -least;
  double count = 0;
  for (const float x : values) {
    if (!std::isfinite(x)) continue;
    least = std::min(least, x);
    most = std::max(most, x);
    c[header + bin_of(x)] += 1;
    ++count;
  }
  if (count == 0) return;
  const bool first = c[0] == 0;
  c[0] += count;
  c[1] = first ? least : std::min(c[1], static_cast<double>(least));
  c[2] = first ? most : std::max(c[2], static_cast<double>(most));
  c[3] = first ? least : c[3] + averaging * (least - c[3]);
  c[4] = first ? most : c[4] + averaging * (most - c[4]);
  c[5] += 1;
}

void ValueStats::merge(const ValueStats& other) {
  if (other.count() == 0) return;
  double* c = counts_.as<double>();
  const double* o = other.counts_.as<double>();
  const bool first = c[0] == 0;
  for (int i : {1, 3}) c[i] = first ? o[i] : std::min(c[i], o[i]);
  for (int i : {2, 4}) c[i] = first ? o[i] : std::max(c[i], o[i]);
  c[0] += o[0];
  for (std::int64_t i = header - 1; i < size; ++i) c[i] += o[i];
}

double ValueStats::mean_magnitude() const {
  double sum = 0;
  for (std::int64_t i = 0; i < bins; ++i)
    if (at(header + i) > 0) sum += at(header + i) * std::abs(middle_of(i));
  return count() > 0 ? sum / count() : 0;
}

double ValueStats::quantile(double share) const {
  const double wanted = share * count();
  double seen = 0;
  for (std::int64_t i = 0; i < bins; ++i) {
    const std::int64_t bin = ordered(i);
    seen += at(header + bin);
    if (seen >= wanted && seen > 0)
      return std::clamp(static_cast<double>(middle_of(bin)), minimum(), maximum());
  }
  return maximum();
}

double ValueStats::squared_error(const Quantizer& quantizer) const {
  double sum = 0;
  for (std::int64_t i = 0; i < bins; ++i) {
    const double weight = at(header + i);
    if (weight == 0) continue;
    const float x = middle_of(i);
    float y = 0;
    quantizer.quantize(&x, &y, 1, 1);
    sum += weight * (static_cast<double>(x) - y) * (static_cast<double>(x) - y);
  }
  return count() > 0 ? sum / count() : 0;
}

RangeMethod parse_range_method(const std::string& text) {
  const std::vector<std::string> known{"min_max", "moving_average", "percentile", "mse"};
  for (std::size_t i = 0; i < known.size(); ++i)
    if (text == known[i]) return static_cast<RangeMethod>(i);
  throw Error(ErrorCode::invalid_argument, "unknown range method '" + text + "'",
              did_you_mean(text, known));
}

Options calibrated_options(const Format& format, const std::string& rule, const Options& options,
                           const ValueStats& stats, RangeMethod method, double percentile) {
  if (format.fit_range == nullptr)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("[{}] has no scale to calibrate", format.name),
                "leave out --calibrate, or choose integer, affine, minifloat_* or log");
  if (stats.count() == 0)
    throw Error(ErrorCode::invalid_argument, "calibration saw no numbers",
                "give data with at least one sample");
  const auto fitted = [&](double low, double high) {
    Options all = format.fit_range(options, static_cast<float>(std::min(low, 0.0)),
                                   static_cast<float>(std::max(high, 0.0)));
    // What is given stays; what the fitted scale replaces was taken out.
    for (const auto& [key, value] : options.values())
      if (all.contains(key)) all.set(key, value);
    return all;
  };
  switch (method) {
    case RangeMethod::min_max: return fitted(stats.minimum(), stats.maximum());
    case RangeMethod::moving_average:
      return fitted(stats.average_minimum(), stats.average_maximum());
    case RangeMethod::percentile: {
      const double outside = (100 - percentile) / 200;
      return fitted(stats.quantile(outside), stats.quantile(1 - outside));
    }
    case RangeMethod::mse: break;
  }
  Options best = fitted(stats.minimum(), stats.maximum());
  double least = stats.squared_error(*bind_format(format.name, rule, best));
  for (double shrink = 0.95; shrink > 0.02; shrink *= 0.95) {
    const Options tried = fitted(stats.minimum() * shrink, stats.maximum() * shrink);
    const double error = stats.squared_error(*bind_format(format.name, rule, tried));
    if (error < least) {
      least = error;
      best = tried;
    }
  }
  return best;
}

}  // namespace hone
