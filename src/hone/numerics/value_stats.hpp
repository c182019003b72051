// What a run saw of a value: its range and how its numbers spread, in constant memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "hone/core/tensor.hpp"
#include "hone/numerics/format.hpp"

namespace hone {

// A tensor f64[6 + bins] that counts. Bins are spaced by the binary logarithm, eight to a binade,
// so that no range has to be known before: [0, bins / 2) negative numbers by magnitude, then the
// others.
class ValueStats {
public:
  static constexpr std::int64_t bins = 2 * 256 * 8;
  static constexpr std::int64_t size = 6 + bins;

  ValueStats() : counts_(DType::f64, {size}) {}
  // Shares the tensor; throws Error(internal) unless it is f64[size].
  explicit ValueStats(Tensor counts);

  // Adds a batch of numbers; NaN and infinities are not counted.
  void add(std::span<const float> values);
  // Adds all that the other counted.
  void merge(const ValueStats& other);

  double count() const { return at(0); }
  double minimum() const { return at(1); }
  double maximum() const { return at(2); }
  // Moving averages of the batches' least and largest numbers (each batch counts 0.1, as in Jacob
  // et al., arXiv 1712.05877).
  double average_minimum() const { return at(3); }
  double average_maximum() const { return at(4); }
  // Mean of the magnitudes, by the bins.
  double mean_magnitude() const;
  // The number that `share` (0 to 1) of the numbers do not exceed, by the bins.
  double quantile(double share) const;
  // Mean of (x - Q(x))^2 over the bins' middles.
  double squared_error(const Quantizer& quantizer) const;

  const Tensor& tensor() const { return counts_; }

private:
  double at(std::int64_t i) const { return counts_.as<double>()[i]; }

  Tensor counts_;
};

enum class RangeMethod { min_max, moving_average, percentile, mse };
// Throws Error(invalid_argument) naming the nearest known method.
RangeMethod parse_range_method(const std::string& text);

// The options by which `format` reaches over the numbers that were seen. `percentile` (50 to 100)
// is the share of numbers inside. The search of the least squared error tries shrunken ranges.
// Options that were given stay. Throws Error(invalid_argument) where nothing was seen, or the
// format has nothing to fit.
Options calibrated_options(const Format& format, const std::string& rule, const Options& options,
                           const ValueStats& stats, RangeMethod method, double percentile = 99.99);

}  // namespace hone
