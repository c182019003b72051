// Signed powers of two that share an exponent bias.
#include <algorithm>

#include <fmt/format.h>

#include "hone/numerics/detail/format_options.hpp"
#include "hone/numerics/detail/mase_blocks.hpp"
#include "hone/numerics/detail/rule_quantizer.hpp"

namespace hone {
namespace {

std::unique_ptr<const Quantizer> bind(const Options& options, const std::string& rule) {
  const int width = static_cast<int>(options.integer("width"));
  const int bias_width = static_cast<int>(options.integer("exponent_bias_width"));
  if (rule == "mase") {
    mase::BlockOptions mase;
    mase.format = "block_log";
    mase.kind = mase::BlockKind::log;
    mase.width = width;
    mase.exponent_bias_width = bias_width;
    mase.block_size = parse_size_list(mase.format, options.text("block_size"));
    mase.skip_first_dim = options.boolean_or("skip_first_dim", false);
    if (options.text("tail") == "error")
      fail_format("block_log", "option 'tail' changes nothing under rule mase", "leave it out");
    return mase::make_block_quantizer(mase);
  }
  if (width > 9)
    fail_format("block_log", fmt::format("width = {} is above 9, the most under rule exact", width),
                "make it smaller");
  // Exponents relative to the block's largest; the scale 2^e stands for the bias
  // 2^(width - 1) - 1 - e.
  const int top = (1 << (width - 1)) - 1;
  const PowerGrid grid{std::max(-126, 1 - top), 0};
  const BlockScale scale{0, std::max(-126, top - ((1 << bias_width) - 1)), std::min(127, top),
                         PowerGrid::carry};
  if (scale.minimum > scale.maximum)
    fail_format("block_log",
                fmt::format("exponent_bias_width = {} puts the numbers outside float32's range",
                            bias_width),
                "make it larger");
  return std::make_unique<BlockQuantizer<PowerGrid>>(
      grid, width, scale, bias_width, parse_block_size("block_log", options.text("block_size")),
      options.text("tail") == "error");
}

}  // namespace

Format format_block_log() {
  Format format{{"block_log",
                 "signed powers of two that share an exponent bias",
                 {width_option(2, 16, 8), exponent_bias_width_option(), block_size_option("16"),
                  tail_option(), skip_first_dim_option()}}};
  format.rules = {"mase"};
  format.formula = "log with the bias 2^(width - 1) - 1 - round(log2 max|block|)";
  format.notes =
      "The exponent code 0 stands for zero. The bias is limited to its bits, so very large blocks "
      "saturate; "
      "infinities saturate, NaN stays. Rule mase has no zero.";
  format.bind = bind;
  format.uses = {{"skip_first_dim", "rule", std::string("mase")}};
  return format;
}

}  // namespace hone
