// A small floating-point number without hidden bit: +-2^e k / 2^m.
#include <algorithm>

#include <fmt/format.h>

#include "hone/numerics/detail/format_options.hpp"
#include "hone/numerics/detail/mase_kernels.hpp"

namespace hone {
namespace {
namespace minifloat_denorm_format {

std::unique_ptr<const Quantizer> bind(const Options& options, const std::string& rule) {
  const int width = static_cast<int>(options.integer("width"));
  const int exponent_width = static_cast<int>(options.integer("exponent_width"));
  const int bias =
      static_cast<int>(options.integer_or("exponent_bias", largest_code_of(exponent_width - 1)));
  if (rule == "mase") {
    if (width < exponent_width + 1)
      fail_format(
          "minifloat_denorm",
          fmt::format("exponent_width = {} does not fit into width = {}", exponent_width, width),
          "make the width larger or the exponent smaller");
    return mase::make_value_quantizer("minifloat_denorm", width,
                                      mase::MinifloatDenorm(width, exponent_width, bias));
  }
  refuse_wider("minifloat_denorm", "exponent_width", exponent_width, 8);
  const int mantissa = mantissa_bits("minifloat_denorm", width, exponent_width, 1);
  // 2^e k / 2^m with k of m bits is 2^(e-1) (1 + f / 2^(m-1)) where the top bit of k is set, which
  // it is above the smallest exponent.
  FloatGrid grid;
  grid.fraction_bits = mantissa - 1;
  grid.minimum_exponent = -bias - 1;
  const int top = std::min(128, (1 << exponent_width) - 1 - bias);
  if (grid.minimum_exponent < -126 || grid.minimum_exponent - mantissa + 24 > 127 || top < -126)
    fail_format(
        "minifloat_denorm",
        "exponent_bias = " + std::to_string(bias) + " puts the numbers outside float32's range",
        "leave it out for the usual bias");
  grid.maximum = power_of_two(top - 1) * (2.0f - power_of_two(1 - mantissa));
  return std::make_unique<ElementQuantizer<FloatGrid>>(grid, width);
}

// The largest bias, that is the finest numbers, with which they still reach the larger end.
Options fit_range(const Options& options, float low, float high) {
  return fit_exponent_bias("minifloat_denorm", options, std::max(-low, high));
}

}  // namespace minifloat_denorm_format
}  // namespace

Format format_minifloat_denorm() {
  using namespace minifloat_denorm_format;
  Format format{{"minifloat_denorm",
                 "small floating point without hidden bit",
                 {width_option(2, 32, 8), with_most(exponent_width_option(1, 31, 4), 8),
                  exponent_bias_option("2^(exponent_width - 1) - 1")}}};
  format.rules = {"mase"};
  format.formula = "sign * 2^e * k / 2^m, 0 <= k < 2^m";
  format.notes =
      "Of the codes that stand for one number the one with the smallest exponent is used, and they "
      "are "
      "packed in the order of their numbers. Rounds to nearest, ties to even; infinities saturate, "
      "NaN "
      "stays, zero keeps its sign. Rule mase does not carry (2^e becomes 2^e (1 - 2^-m)), lets |x| "
      "<= "
      "1e-8 pass as it is, and makes NaN of infinities.";
  format.bind = bind;
  format.fit_range = fit_range;
  return format;
}

}  // namespace hone
