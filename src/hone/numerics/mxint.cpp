// OCP Microscaling (MX v1.0) with integer elements; MXINT8 by default.
#include <algorithm>

#include "hone/numerics/detail/format_options.hpp"
#include "hone/numerics/detail/quantizers.hpp"

namespace hone {
namespace {

std::unique_ptr<const Quantizer> bind(const Options& options, const std::string&) {
  const int width = static_cast<int>(options.integer("width"));
  const int scale_bits = static_cast<int>(options.integer("scale_bits"));
  const int fraction = width - 2;
  const float top = power_of_two(width - 1) - 1.0f;
  const int bias = (1 << (scale_bits - 1)) - 1;
  return std::make_unique<BlockQuantizer<UniformGrid>>(
      UniformGrid{power_of_two(fraction), power_of_two(-fraction), -top, top, Rounding::nearest},
      width, BlockScale{0, -bias, bias, 0}, scale_bits,
      parse_block_size("mxint", options.text("block_size")));
}

}  // namespace

Format format_mxint() {
  Format format{
      {"mxint",
       "OCP MX: integers that share a power of two; MXINT8 by default",
       {width_option(2, 16, 8),
        {"scale_bits", OptionType::integer, std::int64_t{8}, "bits of the shared scale", 2, 8},
        block_size_option("32")}}};
  format.rules = {"mase"};
  format.formula = "2^e * k / 2^(width - 2), |k| < 2^(width - 1), e = floor(log2 max|block|)";
  format.notes =
      "Rounds to nearest, ties to even, and saturates symmetrically, as MX v1.0 allows; infinities "
      "saturate, "
      "NaN stays. Rule mase takes the ceiling of log2, so a largest number that is a power of two "
      "loses a "
      "step.";
  format.bind = bind;
  return format;
}

}  // namespace hone
