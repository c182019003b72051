// Signed powers of two that share an exponent bias.
#include <algorithm>

#include <fmt/format.h>

#include "hone/numerics/detail/format_options.hpp"
#include "hone/numerics/detail/mase_blocks.hpp"
#include "hone/numerics/detail/rule_quantizer.hpp"

namespace hone {
namespace {
namespace block_log_format {

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
  // Exponents relative to the block's largest; the scale 2^e stands for the bias
  // 2^(width - 1) - 1 - e.
  const std::int64_t top = largest_code_of(width - 1);
  const PowerGrid grid{static_cast<int>(std::max<std::int64_t>(-126, 1 - top)), 0};
  const BlockScale scale{
      0, static_cast<int>(std::clamp<std::int64_t>(top - largest_code_of(bias_width), -126, 128)),
      static_cast<int>(std::min<std::int64_t>(127, top)), PowerGrid::carry};
  if (scale.minimum > scale.maximum)
    fail_format("block_log",
                fmt::format("exponent_bias_width = {} puts the numbers outside float32's range",
                            bias_width),
                "make it larger");
  return std::make_unique<BlockQuantizer<PowerGrid>>(
      grid, width, scale, bias_width, parse_block_size("block_log", options.text("block_size")),
      options.text("tail") == "error");
}

}  // namespace block_log_format
}  // namespace

Format format_block_log() {
  using namespace block_log_format;
  Format format{{"block_log",
                 "signed powers of two that share an exponent bias",
                 {width_option(2, 32, 8), exponent_bias_width_option(), block_size_option("16"),
                  tail_option(), skip_first_dim_option()}}};
  format.rules = {"mase"};
  format.formula = "log with the bias 2^(width - 1) - 1 - round(log2 max|block|)";
  format.notes =
      "The exponent code 0 stands for zero. The bias is limited to its bits, so very large blocks "
      "saturate; "
      "infinities saturate, NaN stays. Rule mase has no zero; there a block of zeros takes the "
      "bias of "
      "the smallest other block of its tensor, in models (skip_first_dim) of its own row.";
  format.bind = bind;
  format.uses = {{"skip_first_dim", "rule", std::string("mase")}};
  return format;
}

}  // namespace hone
