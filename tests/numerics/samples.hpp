// Formats with legal options, and numbers that are hard to round, for tests over all formats.
#pragma once

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "hone/core/philox.hpp"
#include "hone/numerics/format.hpp"

namespace hone_test {

using namespace hone;

struct FormatCase {
  std::string format;
  std::string options;  // as format_options_text writes them

  std::unique_ptr<const Quantizer> bind(const std::string& rule = "exact") const {
    return bind_format(format, rule, parse_format_options(find_format(format), options));
  }
  std::string text() const { return format + (options.empty() ? "" : " " + options); }
};

// Every format with every legal width, and with every kind of its other options.
inline std::vector<FormatCase> format_cases() {
  std::vector<FormatCase> cases;
  const auto add = [&](const std::string& format, const std::string& options) {
    cases.push_back({format, options});
  };
  const auto number = [](auto value) { return std::to_string(value); };
  for (int width = 1; width <= 32; ++width) {
    add("integer", "width=" + number(width));
    add("integer", "width=" + number(width) + " frac_width=-3 rounding=floor");
    add("integer", "width=" + number(width) + " frac_width=9 is_signed=false");
  }
  add("integer", "width=8 frac_width=100");
  add("integer", "width=8 frac_width=-100");
  for (int width : {2, 3, 4, 5, 6, 7, 8, 9, 16, 24})
    for (const char* granularity :
         {"granularity=tensor", "granularity=channel", "granularity=group group_size=5"})
      for (const char* symmetric : {"symmetric=true", "symmetric=false"}) {
        const std::string options =
            "width=" + number(width) + " " + granularity + " " + std::string(symmetric);
        add("affine", options);
      }
  for (int width = 2; width <= 8; ++width)
    for (const char* symmetric : {" symmetric=true", " symmetric=false"})
      add("affine", "width=" + number(width) + symmetric + " scale=0.013");
  add("affine", "width=6 symmetric=false scale=0.07 zero_point=21");
  // A step of a power of two has many ties.
  for (const char* point : {"0", "20", "21"})
    add("affine", "width=6 symmetric=false scale=0.0625 zero_point=" + std::string(point));
  for (int width = 2; width <= 24; ++width)
    for (int exponent = 1; exponent <= 8 && exponent < width; ++exponent) {
      const std::string options = "width=" + number(width) + " exponent_width=" + number(exponent);
      add("minifloat_ieee", options);
      if (exponent <= 7 && exponent < width - 1) add("minifloat_denorm", options);
      if (exponent <= 7) add("block_minifloat", options + " exponent_bias_width=5 block_size=7");
    }
  add("minifloat_ieee", "width=8 exponent_width=4 exponent_bias=11");
  add("minifloat_denorm", "width=8 exponent_width=3 exponent_bias=-2");
  for (int width = 2; width <= 32; ++width) add("log", "width=" + number(width));
  add("log", "width=5 exponent_bias=3");
  for (int width = 2; width <= 32; ++width)
    for (const char* block : {"4", "16", "3,8"})
      add("block_fp", "width=" + number(width) + " block_size=" + block);
  add("block_fp", "width=8 exponent_width=3");
  for (int width = 2; width <= 9; ++width)
    for (int bias = width == 9 ? 8 : 1; bias <= 9; bias += 2)
      add("block_log", "width=" + number(width) + " exponent_bias_width=" + number(bias));
  for (int width : {10, 16, 24, 32})
    add("block_log", "width=" + number(width) + " exponent_bias_width=" + number(width));
  for (int width : {2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 17, 24, 25, 26, 32})
    for (int scale = 2; scale <= 8; scale += 2)
      add("mxint", "width=" + number(width) + " scale_bits=" + number(scale) + " block_size=8");
  add("mxint", "");
  add("mxint", "block_size=100000");
  for (const char* element : {"exponent_width=4 frac_width=3", "exponent_width=5 frac_width=2",
                              "exponent_width=3 frac_width=2", "exponent_width=2 frac_width=3",
                              "exponent_width=2 frac_width=1"}) {
    add("mxfp", element);
    add("mxfp", std::string(element) + " block_size=2,4");
  }
  add("binary", "");
  add("binary", "bipolar=false");
  for (const char* granularity : {"tensor", "channel", "group group_size=6"}) {
    const std::string options = "granularity=" + std::string(granularity);
    add("binary_scaling", options);
    add("ternary", options);
    add("ternary", options + " scaling_factor=false threshold=0.3");
    for (int levels = 1; levels <= 4; ++levels)
      add("binary_residual_sign", options + " levels=" + number(levels));
  }
  return cases;
}

// Numbers of every size, ties and neighbours of powers of two among them; finite.
inline Tensor hard_numbers(Shape shape, std::uint32_t seed) {
  Tensor x(DType::f32, std::move(shape));
  RandomStream random(seed, 77);
  for (float& value : x.span<float>()) {
    const std::uint32_t kind = random.below(8);
    value = static_cast<float>(random.normal());
    if (kind == 0) value = 0.0f * value;
    if (kind == 1) value *= std::ldexp(1.0f, static_cast<int>(random.below(40)) - 20);
    if (kind == 2)
      value = std::ldexp(1.0f + static_cast<float>(random.below(64)) / 32.0f,
                         static_cast<int>(random.below(12)) - 6) *
              (random.below(2) == 0 ? 1.0f : -1.0f);
    if (kind == 3) {
      const auto bits =
          std::bit_cast<std::uint32_t>(std::ldexp(1.0f, static_cast<int>(random.below(30)) - 15));
      value = std::bit_cast<float>(bits + random.below(3) - 1);
    }
    if (kind == 4) value *= 0.01f;
  }
  return x;
}

// Bits compared; any NaN equals any NaN.
inline bool same_bits(float a, float b) {
  return std::memcmp(&a, &b, sizeof a) == 0 || (std::isnan(a) && std::isnan(b));
}

}  // namespace hone_test
