#include "hone/numerics/detail/log2_steps.hpp"

#include <cmath>

namespace hone {
namespace {

float rounded_log2(float v) { return static_cast<float>(std::log2(static_cast<double>(v))); }

// The first bits in (first, last] of numbers for which the rounded logarithm, made an integer by
// `to_integer`, is above `k`; last when there is none below.
template <typename ToInteger>
std::uint32_t first_above(std::uint32_t first, std::uint32_t last, int k, ToInteger to_integer) {
  while (first + 1 < last) {
    const std::uint32_t middle = first + (last - first) / 2;
    const bool above =
        to_integer(rounded_log2(std::bit_cast<float>(middle))) > static_cast<float>(k);
    (above ? last : first) = middle;
  }
  return last;
}

Log2Steps make_steps() {
  Log2Steps steps{};
  for (std::uint32_t exponent = 1; exponent < 255; ++exponent) {
    const std::uint32_t first = exponent << 23;
    const std::uint32_t last = first + 0x00800000u;
    const int k = static_cast<int>(exponent) - 127;
    steps.floor[exponent] = first_above(first, last, k, [](float l) { return std::floor(l); });
    steps.ceil[exponent] = first_above(first, last, k, [](float l) { return std::ceil(l); });
    steps.nearest[exponent] =
        first_above(first, last, k, [](float l) { return std::nearbyint(l); });
  }
  return steps;
}

// `table` for normal numbers; the few below are computed.
template <typename ToInteger>
int integer_log2(float v, const std::array<std::uint32_t, 256>& table, ToInteger to_integer) {
  const auto bits = std::bit_cast<std::uint32_t>(v);
  const std::uint32_t exponent = bits >> 23;
  if (exponent == 0) return static_cast<int>(to_integer(rounded_log2(v)));
  return static_cast<int>(exponent) - 127 + (bits >= table[exponent] ? 1 : 0);
}

}  // namespace

const Log2Steps& log2_steps() {
  static const Log2Steps steps = make_steps();
  return steps;
}

int floor_log2(float v) {
  return integer_log2(v, log2_steps().floor, [](float l) { return std::floor(l); });
}
int ceil_log2(float v) {
  return integer_log2(v, log2_steps().ceil, [](float l) { return std::ceil(l); });
}
int nearest_log2(float v) {
  return integer_log2(v, log2_steps().nearest, [](float l) { return std::nearbyint(l); });
}

}  // namespace hone
