// A small floating-point number with hidden bit and subnormal numbers; every exponent code is an
// ordinary number.
#include <algorithm>

#include "hone/numerics/detail/format_options.hpp"
#include "hone/numerics/detail/quantizers.hpp"

namespace hone {
namespace {

std::unique_ptr<const Quantizer> bind(const Options& options, const std::string&) {
  const int width = static_cast<int>(options.integer("width"));
  const int exponent_width = static_cast<int>(options.integer("exponent_width"));
  const int fraction = mantissa_bits("minifloat_ieee", width, exponent_width, 0);
  const int bias =
      static_cast<int>(options.integer_or("exponent_bias", (1 << (exponent_width - 1)) - 1));
  FloatGrid grid;
  grid.fraction_bits = fraction;
  grid.minimum_exponent = 1 - bias;
  // Exponents above float32's are never used.
  const int top = std::min(127, (1 << exponent_width) - 1 - bias);
  if (grid.minimum_exponent < -126 || grid.minimum_exponent - fraction + 23 > 127 ||
      top < grid.minimum_exponent)
    fail_format(
        "minifloat_ieee",
        "exponent_bias = " + std::to_string(bias) + " puts the numbers outside float32's range",
        "leave it out for the usual bias");
  grid.maximum = power_of_two(top) * (2.0f - power_of_two(-fraction));
  return std::make_unique<ElementQuantizer<FloatGrid>>(grid, width);
}

}  // namespace

Format format_minifloat_ieee() {
  Format format{{"minifloat_ieee",
                 "small floating point with hidden bit and subnormal numbers",
                 {width_option(2, 32, 8), exponent_width_option(1, 8, 4),
                  exponent_bias_option("2^(exponent_width - 1) - 1")}}};
  format.rules = {"mase"};
  format.formula = "sign * 2^e * (1 + k / 2^m), below the smallest exponent sign * 2^e * k / 2^m";
  format.notes =
      "Rounds to nearest, ties to even, and carries into the next binade; infinities saturate, NaN "
      "stays, "
      "zero keeps its sign. Rule mase does not carry, lets |x| <= 1e-8 pass as it is, and makes "
      "NaN of "
      "infinities.";
  format.bind = bind;
  return format;
}

}  // namespace hone
