// Learned step size quantization (Esser et al., arXiv 1902.08153): numbers are whole multiples,
// between two limits, of a step that is trained.
#pragma once

#include <cmath>

#include "hone/numerics/grid.hpp"
#include "hone/ops/detail/common.hpp"

namespace hone {

std::vector<OptionSpec> learned_attributes();

// No step is smaller: multiples of it, and its inverse, stay ordinary numbers of float32.
inline constexpr float least_step = 0x1p-99f;

struct LearnedGrid {
  float step, low, high;
  // The derivative of `step` by the trained number.
  float sign;

  // `step` is the magnitude of the trained number, at least least_step; with power_of_two its
  // nearest power of two (in the log domain), which counts as that magnitude in the derivative.
  LearnedGrid(const Options& attributes, float trained);
  float code(float x) const {
    const float k = round_to_even(x / step);
    return k < low ? low : k > high ? high : k;
  }
  bool inside(float x) const { return x / step > low && x / step < high; }
  // The derivative of code(x) * step by the trained number (formula 3 of the paper), the rounding
  // passed straight through.
  float slope(float x) const {
    const float v = x / step;
    return sign * (v <= low ? low : v >= high ? high : round_to_even(v) - v);
  }
};

// What the step's gradient is multiplied by: 1 / sqrt(count * high), so that steps move like
// weights.
inline double step_gradient_scale(double count, double high) {
  return 1.0 / std::sqrt(std::max(1.0, count) * std::max(1.0, high));
}

}  // namespace hone
