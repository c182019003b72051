// One- and two-bit numbers on vectors. Sums are taken in one order whatever the vectors are.
#pragma once

#include <array>
#include <cstdint>

#include "hone/numerics/detail/grid_kernels.hpp"
#include "hone/numerics/format.hpp"

namespace hone {

// Sum of |x[i]| where |x[i]| > border, and how many there are; border < 0: of all (NaN included).
struct MagnitudeSum {
  double sum = 0;
  std::int64_t count = 0;
};
MagnitudeSum sum_magnitudes(const float* x, std::int64_t n, float border);

// y[i] = above where x[i] >= 0 (or > 0 when `strict`), else below. NaN stays NaN.
void choose_signs(const float* x, float* y, std::int64_t n, float above, float below, bool strict,
                  Stores stores);
// y[i] = sign(x[i]) * scale where |x[i]| > border, else 0. NaN stays NaN.
void choose_thirds(const float* x, float* y, std::int64_t n, float scale, float border,
                   Stores stores);
// y[i] = +1 with probability (x[i] + 1) / 2, else -1: where the draw in [0, 1) is smaller. NaN
// stays NaN.
void draw_signs(const float* x, float* y, std::int64_t n, const RandomDraws& draws);

// The sums of signs: scales of the levels in their order.
using LevelScales = std::array<float, 4>;
// What is left of a number after `levels` levels, summed as magnitudes.
double sum_residuals(const float* x, std::int64_t n, const LevelScales& scales, int levels);
void sum_levels(const float* x, float* y, std::int64_t n, const LevelScales& scales, int levels,
                Stores stores);

// The draw of element i, in [0, 1), a multiple of 2^-24.
float uniform_draw(const RandomDraws& draws, std::int64_t i);

}  // namespace hone
