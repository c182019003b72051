// The bits of a grid's numbers. encode() takes a number of the grid, decode() gives it back.
#pragma once

#include <bit>
#include <cstdint>

#include "hone/numerics/grid.hpp"

namespace hone {

// Two's complement in `bits` bits (plain binary when the grid has no negative numbers).
inline std::uint32_t encode(const UniformGrid& grid, float value, int bits) {
  const auto k = static_cast<std::int64_t>(round_to_even(value / grid.step));
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(k) &
                                    ((std::uint64_t{1} << bits) - 1));
}

inline float decode(const UniformGrid& grid, std::uint32_t code, int bits) {
  std::int64_t k = code;
  if (grid.low < 0 && (code >> (bits - 1)) != 0) k -= std::int64_t{1} << bits;
  return static_cast<float>(k) * grid.step;
}

// Sign, biased exponent (0: subnormal), fraction.
inline std::uint32_t encode(const FloatGrid& grid, float value, int bits) {
  const auto image = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (image >> 31) << (bits - 1);
  const float magnitude = value < 0 ? -value : value;
  if (magnitude < power_of_two(grid.minimum_exponent)) {
    // Twice, for the factor may exceed float32's range.
    const int shift = grid.fraction_bits - grid.minimum_exponent;
    const float k = magnitude * power_of_two(shift / 2) * power_of_two(shift - shift / 2);
    return sign | static_cast<std::uint32_t>(k);
  }
  const int e = binary_exponent(magnitude) - grid.minimum_exponent + 1;
  const std::uint32_t fraction = (image & 0x007FFFFFu) >> grid.dropped_bits();
  return sign | (static_cast<std::uint32_t>(e) << grid.fraction_bits) | fraction;
}

inline float decode(const FloatGrid& grid, std::uint32_t code, int bits) {
  const bool negative = (code >> (bits - 1)) != 0;
  const std::uint32_t magnitude = code & ((1u << (bits - 1)) - 1u);
  const std::uint32_t fraction = magnitude & ((1u << grid.fraction_bits) - 1u);
  const int e = static_cast<int>(magnitude >> grid.fraction_bits);
  const float significand =
      static_cast<float>(e == 0 ? fraction : fraction | (1u << grid.fraction_bits));
  const int shift = (e == 0 ? 0 : e - 1) + grid.minimum_exponent - grid.fraction_bits;
  const float value = significand * power_of_two(shift / 2) * power_of_two(shift - shift / 2);
  return negative ? -value : value;
}

// Sign, exponent counted from 1; 0 is zero.
inline std::uint32_t encode(const PowerGrid& grid, float value, int bits) {
  if (value == 0) return 0;
  const std::uint32_t sign = value < 0 ? 1u << (bits - 1) : 0u;
  const float magnitude = value < 0 ? -value : value;
  return sign | static_cast<std::uint32_t>(binary_exponent(magnitude) - grid.minimum_exponent + 1);
}

inline float decode(const PowerGrid& grid, std::uint32_t code, int bits) {
  const std::uint32_t e = code & ((1u << (bits - 1)) - 1u);
  if (e == 0) return 0;
  const float magnitude = power_of_two(static_cast<int>(e) - 1 + grid.minimum_exponent);
  return (code >> (bits - 1)) != 0 ? -magnitude : magnitude;
}

}  // namespace hone
