// Small floating-point numbers that share an exponent bias.
#include <algorithm>

#include "hone/numerics/detail/format_options.hpp"
#include "hone/numerics/detail/quantizers.hpp"

namespace hone {
namespace {

std::unique_ptr<const Quantizer> bind(const Options& options, const std::string&) {
  const int width = static_cast<int>(options.integer("width"));
  const int exponent_width = static_cast<int>(options.integer("exponent_width"));
  const int bias_width = static_cast<int>(options.integer("exponent_bias_width"));
  const int fraction = mantissa_bits("block_minifloat", width, exponent_width, 0);
  // Numbers relative to the block's largest exponent; the scale 2^e stands for the bias
  // 2^exponent_width - 1 - e.
  const int top = (1 << exponent_width) - 1;
  const FloatGrid grid{fraction, 1 - top, 2.0f - power_of_two(-fraction)};
  const BlockScale scale{0, std::max(-126, top - ((1 << bias_width) - 1)), std::min(127, top),
                         half_step(fraction)};
  return std::make_unique<BlockQuantizer<FloatGrid>>(
      grid, width, scale, bias_width,
      parse_block_size("block_minifloat", options.text("block_size")));
}

}  // namespace

Format format_block_minifloat() {
  Format format{{"block_minifloat",
                 "small floating-point numbers that share an exponent bias",
                 {width_option(2, 24, 8), exponent_width_option(1, 7, 4),
                  exponent_bias_width_option(), block_size_option("16")}}};
  format.rules = {"mase"};
  format.formula = "minifloat_ieee with the bias 2^exponent_width - 1 - floor(log2 max|block|)";
  format.notes =
      "The bias is limited to its bits, so blocks whose largest number is 2^(2^exponent_width) or "
      "more "
      "saturate. Rounding, infinities and zeros as minifloat_ieee. Rule mase has the bias's sign "
      "the other "
      "way round: numbers below 2 lose nearly all of their digits.";
  format.bind = bind;
  return format;
}

}  // namespace hone
