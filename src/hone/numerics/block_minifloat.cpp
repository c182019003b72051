// Small floating-point numbers that share an exponent bias.
#include <algorithm>

#include <fmt/format.h>

#include "hone/numerics/detail/format_options.hpp"
#include "hone/numerics/detail/mase_blocks.hpp"
#include "hone/numerics/detail/rule_quantizer.hpp"

namespace hone {
namespace {
namespace block_minifloat_format {

std::unique_ptr<const Quantizer> bind(const Options& options, const std::string& rule) {
  const int width = static_cast<int>(options.integer("width"));
  const int exponent_width = static_cast<int>(options.integer("exponent_width"));
  const int bias_width = static_cast<int>(options.integer("exponent_bias_width"));
  if (rule == "mase") {
    mase::BlockOptions mase;
    mase.format = "block_minifloat";
    mase.kind = mase::BlockKind::minifloat;
    mase.width = width;
    mase.exponent_width = exponent_width;
    mase.exponent_bias_width = bias_width;
    mase.block_size = parse_size_list(mase.format, options.text("block_size"));
    mase.skip_first_dim = options.boolean_or("skip_first_dim", false);
    if (options.text("tail") == "error")
      fail_format("block_minifloat", "option 'tail' changes nothing under rule mase",
                  "leave it out");
    if (width < exponent_width + 1)
      fail_format(
          "block_minifloat",
          fmt::format("exponent_width = {} does not fit into width = {}", exponent_width, width),
          "make the width larger or the exponent smaller");
    return mase::make_block_quantizer(mase);
  }
  refuse_wider("block_minifloat", "exponent_width", exponent_width, 7);
  const int fraction = mantissa_bits("block_minifloat", width, exponent_width, 0);
  // Numbers relative to the block's largest exponent; the scale 2^e stands for the bias
  // 2^exponent_width - 1 - e.
  const int top = (1 << exponent_width) - 1;
  const FloatGrid grid{fraction, 1 - top, 2.0f - power_of_two(-fraction)};
  const BlockScale scale{
      0, static_cast<int>(std::max<std::int64_t>(-126, top - largest_code_of(bias_width))),
      std::min(127, top), half_step(fraction)};
  if (scale.minimum > scale.maximum)
    fail_format("block_minifloat",
                fmt::format("exponent_bias_width = {} puts the numbers outside float32's range",
                            bias_width),
                "make it larger");
  return std::make_unique<BlockQuantizer<FloatGrid>>(
      grid, width, scale, bias_width,
      parse_block_size("block_minifloat", options.text("block_size")),
      options.text("tail") == "error");
}

}  // namespace block_minifloat_format
}  // namespace

Format format_block_minifloat() {
  using namespace block_minifloat_format;
  Format format{{"block_minifloat",
                 "small floating-point numbers that share an exponent bias",
                 {width_option(2, 32, 8), with_most(exponent_width_option(1, 31, 4), 7),
                  exponent_bias_width_option(), block_size_option("16"), tail_option(),
                  skip_first_dim_option()}}};
  format.rules = {"mase"};
  format.formula = "minifloat_ieee with the bias 2^exponent_width - 1 - floor(log2 max|block|)";
  format.notes =
      "The bias is limited to its bits, so blocks whose largest number is 2^(2^exponent_width) or "
      "more "
      "saturate. Rounding, infinities and zeros as minifloat_ieee. Rule mase has the bias's sign "
      "the other "
      "way round: numbers below 2 lose nearly all of their digits.";
  format.bind = bind;
  format.uses = {{"skip_first_dim", "rule", std::string("mase")}};
  return format;
}

}  // namespace hone
