// Floor, ceiling and nearest integer of log2(v) where the logarithm itself is rounded to float32
// first, as systems compute that take the exponent of a number from a logarithm: near a power of
// two the rounded logarithm is the integer, so they are off by one there. The numbers at which each
// of the three steps up are tabled, one a binade.
#pragma once

#include <array>
#include <cstdint>

#include "hone/numerics/grid.hpp"

namespace hone {

struct Log2Steps {
  // By the exponent's bits: the first number of the binade [2^k, 2^(k+1)) (as bits) at which the
  // result is k + 1 rather than k.
  std::array<std::uint32_t, 256> floor, ceil, nearest;
};
const Log2Steps& log2_steps();

// For 0 < v < infinity.
int floor_log2(float v);
int ceil_log2(float v);
int nearest_log2(float v);  // ties to even

}  // namespace hone
