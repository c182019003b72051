// The three sets of numbers that every format is made of: evenly spaced (integers times a step),
// floating (the step follows the binade) and powers of two. A format chooses the grid from its
// options and, where it has blocks or channels, from their largest value. Plain arithmetic on host
// and device; detail/grid_kernels.cpp holds the same on vectors.
#pragma once

#include <bit>
#include <cstdint>

#ifdef __CUDACC__
#define HONE_HOST_DEVICE __host__ __device__
#else
#define HONE_HOST_DEVICE
#endif

namespace hone {

// 2^e for e in [-149, 127]; 0 below, infinity above.
HONE_HOST_DEVICE constexpr float power_of_two(int e) {
  if (e > 127) return std::bit_cast<float>(0x7F800000u);
  if (e >= -126) return std::bit_cast<float>(static_cast<std::uint32_t>(e + 127) << 23);
  return e >= -149 ? std::bit_cast<float>(1u << (e + 149)) : 0.0f;
}

// floor(log2 x) of a positive finite x, from its bits (a rounded log2 is off by one near powers of
// two).
HONE_HOST_DEVICE constexpr int binary_exponent(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if (bits >= 0x00800000u) return static_cast<int>(bits >> 23) - 127;
  return bits == 0 ? -150 : -118 - std::countl_zero(bits);
}

// The integer nearest to x, ties to even; |x| < 2^22 is rounded by the addition, larger ones are
// integers or are limited afterwards.
HONE_HOST_DEVICE constexpr float round_to_even(float x) {
  const float magnitude = x < 0 ? -x : x;
  if (!(magnitude < 0x1p23f)) return x;
  const float rounded = (magnitude + 0x1p23f) - 0x1p23f;
  return x < 0 ? -rounded : rounded;
}

HONE_HOST_DEVICE constexpr float round_down(float x) {
  const float nearest = round_to_even(x);
  return nearest > x ? nearest - 1.0f : nearest;
}

enum class Rounding { nearest, floor };

// {low, ..., high} * step, integers low and high. The value of x is the nearest member (ties to
// even) or the one below; numbers outside saturate, NaN stays NaN, there is no negative zero.
struct UniformGrid {
  float inverse = 1.0f;  // 1 / step, exact where the step is a power of two
  float step = 1.0f;
  float low = -128.0f;
  float high = 127.0f;
  Rounding rounding = Rounding::nearest;

  HONE_HOST_DEVICE constexpr float code(float x) const {
    float k = rounding == Rounding::floor ? round_down(x * inverse) : round_to_even(x * inverse);
    k = k < low ? low : k;
    k = k > high ? high : k;
    return k + 0.0f;
  }
  HONE_HOST_DEVICE constexpr float value(float x) const { return code(x) * step; }
};

// Sign, exponents from `minimum_exponent` up, `fraction_bits` bits after the leading one; below
// 2^minimum_exponent the step stays (subnormal numbers). Ties to even, carries into the next
// binade, saturates at `maximum`; NaN stays NaN, zero keeps its sign.
struct FloatGrid {
  int fraction_bits = 3;
  int minimum_exponent = -6;
  float maximum = 448.0f;

  // Bits of a float32 that are dropped.
  HONE_HOST_DEVICE constexpr int dropped_bits() const { return 23 - fraction_bits; }
  // Adding and subtracting this rounds to the step of the subnormal numbers.
  HONE_HOST_DEVICE constexpr float subnormal_magic() const {
    return power_of_two(minimum_exponent - fraction_bits + 23);
  }
  HONE_HOST_DEVICE constexpr float value(float x) const {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    const std::uint32_t sign = bits & 0x80000000u;
    const std::uint32_t magnitude_bits = bits ^ sign;
    if (magnitude_bits > 0x7F800000u) return x;
    const float magnitude = std::bit_cast<float>(magnitude_bits);
    float result = 0;
    if (magnitude < power_of_two(minimum_exponent)) {
      result = (magnitude + subnormal_magic()) - subnormal_magic();
    } else {
      const int drop = dropped_bits();
      const std::uint32_t odd = drop > 0 ? (magnitude_bits >> drop) & 1u : 0u;
      const std::uint32_t half = drop > 0 ? (1u << (drop - 1)) - 1u : 0u;
      const std::uint32_t keep = ~((1u << drop) - 1u);
      result = std::bit_cast<float>((magnitude_bits + odd + half) & keep);
    }
    result = result < maximum ? result : maximum;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(result) | sign);
  }
};

// Zero and +-2^e, minimum_exponent <= e <= maximum_exponent. Rounds in the log domain (the border
// of 2^e and 2^(e+1) is sqrt(2) 2^e); less than half the smallest power becomes zero; saturates,
// NaN stays NaN.
struct PowerGrid {
  int minimum_exponent = -7;
  int maximum_exponent = 7;

  // Added to the bits of a float32, it carries into the exponent from sqrt(2) on.
  static constexpr std::uint32_t carry = 0x00800000u - 0x003504F4u;

  HONE_HOST_DEVICE constexpr float value(float x) const {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    const std::uint32_t sign = bits & 0x80000000u;
    const std::uint32_t magnitude = bits ^ sign;
    if (magnitude > 0x7F800000u) return x;
    if (std::bit_cast<float>(magnitude) < power_of_two(minimum_exponent - 1)) return 0.0f;
    std::uint32_t rounded = (magnitude + carry) & 0xFF800000u;
    const auto low = std::bit_cast<std::uint32_t>(power_of_two(minimum_exponent));
    const auto high = std::bit_cast<std::uint32_t>(power_of_two(maximum_exponent));
    rounded = rounded < low ? low : rounded;
    rounded = rounded > high ? high : rounded;
    return std::bit_cast<float>(rounded | sign);
  }
};

}  // namespace hone
