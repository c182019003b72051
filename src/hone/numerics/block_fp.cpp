// Block floating point (as in Microsoft's MSFP): signed mantissas that share an exponent.
#include <algorithm>

#include <fmt/format.h>

#include "hone/numerics/detail/format_options.hpp"
#include "hone/numerics/detail/mase_blocks.hpp"
#include "hone/numerics/detail/rule_quantizer.hpp"

namespace hone {
namespace {
namespace block_fp_format {

std::unique_ptr<const Quantizer> bind(const Options& options, const std::string& rule) {
  const int width = static_cast<int>(options.integer("width"));
  const int exponent_width = static_cast<int>(options.integer("exponent_width"));
  const int bias =
      static_cast<int>(options.integer_or("exponent_bias", largest_code_of(exponent_width - 1)));
  if (rule == "mase") {
    mase::BlockOptions mase;
    mase.format = "block_fp";
    mase.kind = mase::BlockKind::fp;
    mase.width = width;
    mase.exponent_width = exponent_width;
    mase.exponent_bias = bias;
    mase.block_size = parse_size_list(mase.format, options.text("block_size"));
    mase.skip_first_dim = options.boolean_or("skip_first_dim", true);
    if (options.text("tail") == "error")
      fail_format("block_fp", "option 'tail' changes nothing under rule mase", "leave it out");
    return mase::make_block_quantizer(mase);
  }
  refuse_wider("block_fp", "exponent_width", exponent_width, 8);
  const int mantissa = width - 1;
  const float top = largest_whole(mantissa);
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
      parse_block_size("block_fp", options.text("block_size")), options.text("tail") == "error");
}

}  // namespace block_fp_format
}  // namespace

Format format_block_fp() {
  using namespace block_fp_format;
  Format format{{"block_fp",
                 "block floating point: signed mantissas that share an exponent",
                 {width_option(2, 32, 8), with_most(exponent_width_option(1, 31, 8), 8),
                  exponent_bias_option("2^(exponent_width - 1) - 1"), block_size_option("16"),
                  tail_option(), skip_first_dim_option()}}};
  format.rules = {"mase"};
  format.formula = "2^e * k / 2^m, |k| < 2^m, e the block's smallest that holds its largest number";
  format.notes =
      "Rounds to nearest, ties to even; a largest number that would round up to 2^e takes the next "
      "exponent. Infinities saturate at the largest exponent, NaN stays. Rule mase saturates "
      "powers of two "
      "instead, and lets |x| <= 1e-8 pass as it is.";
  format.bind = bind;
  format.uses = {{"skip_first_dim", "rule", std::string("mase")}};
  return format;
}

}  // namespace hone
