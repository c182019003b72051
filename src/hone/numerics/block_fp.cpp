// Block floating point (as in Microsoft's MSFP): signed mantissas that share an exponent.
#include <algorithm>

#include "hone/numerics/detail/format_options.hpp"
#include "hone/numerics/detail/quantizers.hpp"

namespace hone {
namespace {

std::unique_ptr<const Quantizer> bind(const Options& options, const std::string&) {
  const int mantissa = static_cast<int>(options.integer("width")) - 1;
  const int exponent_width = static_cast<int>(options.integer("exponent_width"));
  const int bias =
      static_cast<int>(options.integer_or("exponent_bias", (1 << (exponent_width - 1)) - 1));
  const float top = power_of_two(mantissa) - 1.0f;
  const UniformGrid grid{power_of_two(mantissa), power_of_two(-mantissa), -top, top,
                         Rounding::nearest};
  const BlockScale scale{1, std::max(-126, -bias), std::min(127, (1 << exponent_width) - 1 - bias),
                         half_step(mantissa - 1)};
  if (scale.minimum > scale.maximum)
    fail_format(
        "block_fp",
        "exponent_bias = " + std::to_string(bias) + " puts the numbers outside float32's range",
        "leave it out for the usual bias");
  return std::make_unique<BlockQuantizer<UniformGrid>>(
      grid, mantissa + 1, scale, exponent_width,
      parse_block_size("block_fp", options.text("block_size")));
}

}  // namespace

Format format_block_fp() {
  Format format{{"block_fp",
                 "block floating point: signed mantissas that share an exponent",
                 {width_option(2, 24, 8), exponent_width_option(1, 8, 8),
                  exponent_bias_option("2^(exponent_width - 1) - 1"), block_size_option("16")}}};
  format.rules = {"mase"};
  format.formula = "2^e * k / 2^m, |k| < 2^m, e the block's smallest that holds its largest number";
  format.notes =
      "Rounds to nearest, ties to even; a largest number that would round up to 2^e takes the next "
      "exponent. Infinities saturate at the largest exponent, NaN stays. Rule mase saturates "
      "powers of two "
      "instead, and lets |x| <= 1e-8 pass as it is.";
  format.bind = bind;
  return format;
}

}  // namespace hone
