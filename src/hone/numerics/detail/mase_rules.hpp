// How MASE (https://github.com/DeepWok/mase) computes each format, number by number, faults
// included: what rule "mase" gives bit for bit. Float32 arithmetic, one rounding an operation.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "hone/numerics/detail/log2_steps.hpp"
#include "hone/numerics/grid.hpp"

namespace hone::mase {

inline constexpr float tiny_shift = 0x1.12e0bep-30f;  // 1e-9, added before the logarithm
inline constexpr float pass_below = 0x1.5798eep-27f;  // 1e-8, magnitudes that stay as they are

inline float sign(float v) { return v > 0 ? 1.0f : v < 0 ? -1.0f : 0.0f; }
// NaN and zeros of either sign pass.
inline float clamp(float v, float low, float high) { return v < low ? low : v > high ? high : v; }
// A product with both, so that infinities become NaN.
inline float keep_tiny(float x, float q) {
  const float kept = std::fabs(x) <= pass_below ? 1.0f : 0.0f;
  return (1.0f - kept) * q + kept * x;
}
// 2^bits - 1, rounded to float32.
inline float largest_code(int bits) { return static_cast<float>(std::ldexp(1.0, bits) - 1.0); }

// The largest exponent of `bits` bits less a bias. Beyond 2^30, where no float32 comes, it stays.
inline int largest_exponent(int bits, std::int64_t bias) {
  const std::int64_t top = (std::int64_t{1} << bits) - 1 - bias;
  return static_cast<int>(std::clamp<std::int64_t>(top, -(1 << 30), 1 << 30));
}

struct Integer {
  int fraction = 4;
  float low = -128, high = 127;
  bool floor = false;

  Integer(int width, int fraction_bits, bool is_signed, bool floor_down)
      : fraction(fraction_bits),
        low(is_signed ? -power_of_two(width - 1) : 0.0f),
        high(largest_code(is_signed ? width - 1 : width)),
        floor(floor_down) {}
  float value(float x) const {
    const float scaled = x * power_of_two(fraction);
    const float k = floor ? std::floor(scaled) : std::nearbyint(scaled);
    return clamp(k, low, high) / power_of_two(fraction);
  }
};

// Added to every number of a block: -0 changes none, +0 makes zeros positive.
inline constexpr float no_change = -0.0f;

struct Minifloat {
  int mantissa = 3;
  int bias = 7;
  int top = 8;  // largest exponent
  float zero = no_change;

  Minifloat(int width, int exponent_width, int exponent_bias)
      : mantissa(width - exponent_width - 1),
        bias(exponent_bias),
        top(largest_exponent(exponent_width, exponent_bias)) {}
};

struct MinifloatDenorm : Minifloat {
  using Minifloat::Minifloat;
  float value(float x) const {
    if (!std::isfinite(x)) return std::nanf("");
    const float magnitude = std::fabs(x);
    const float power = power_of_two(std::clamp(ceil_log2(magnitude + tiny_shift), -bias, top));
    const float steps = power_of_two(mantissa);
    const float k = clamp(std::nearbyint(magnitude / power * steps), 0.0f, largest_code(mantissa));
    return keep_tiny(x, sign(x + tiny_shift) * power * (k / steps)) + zero;
  }
};

struct MinifloatIeee : Minifloat {
  using Minifloat::Minifloat;
  float value(float x) const {
    if (!std::isfinite(x)) return std::nanf("");
    const float magnitude = std::fabs(x);
    const int e = std::clamp(floor_log2(magnitude + tiny_shift), -bias, top);
    const float power = power_of_two(e);
    const float steps = power_of_two(mantissa);
    const float t = magnitude / power;
    const float high = largest_code(mantissa);
    const float significand =
        e != -bias ? 1.0f + clamp(std::nearbyint(t * steps - steps), 0.0f, high) / steps
                   : clamp(std::nearbyint(t * steps / 2.0f), 0.0f, high) / steps * 2.0f;
    return keep_tiny(x, sign(x + tiny_shift) * power * significand) + zero;
  }
};

// The numbers of one block of block_fp.
struct BlockFloat {
  float power = 1;  // 2^e of the block
  float steps = 128;
  float high = 127;
  float zero = no_change;

  float value(float x) const {
    const float k = clamp(std::nearbyint((std::fabs(x) + tiny_shift) / power * steps), 0.0f, high);
    return keep_tiny(x, sign(x + tiny_shift) * power * (k / steps) + zero);
  }
};

struct Log {
  int bias = 63;
  int top = 64;
  float shift = 0;  // added before the logarithm
  float zero = no_change;

  Log(int width, int exponent_bias)
      : bias(exponent_bias),
        top(largest_exponent(width - 1, exponent_bias)),
        shift(static_cast<float>(0.1 * std::ldexp(1.0, -exponent_bias))) {}
  float value(float x) const {
    if (std::isnan(x)) return x + zero;
    const float v = std::fabs(x) + shift;
    const int e = v == 0 ? -bias : std::isinf(v) ? top : nearest_log2(v);
    return sign(x + shift) * power_of_two(std::clamp(e, -bias, top)) + zero;
  }
};

// One element code of MASE's own MX formats, on the bits of t.
enum class CodeRounding { nearest, zero, up, down };
struct ElementCode {
  int exponent_width = 4;
  int fraction = 3;
  bool finite = true;  // no codes for infinity and NaN
  CodeRounding rounding = CodeRounding::nearest;

  int bias() const { return (1 << (exponent_width - 1)) - 1; }
  float value(float t) const;
};

// +-1 and the sign of zero 0: c + (sgn(c) - c) for c limited to [-1, 1].
inline float binarize(float x) {
  const float c = clamp(x, -1.0f, 1.0f);
  return c + (sign(c) - c);
}

}  // namespace hone::mase
