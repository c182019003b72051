// OCP Microscaling (MX v1.0) with integer elements; MXINT8 by default.
#include <algorithm>

#include "hone/numerics/detail/format_options.hpp"
#include "hone/numerics/detail/mase_mx.hpp"
#include "hone/numerics/detail/microxcaling.hpp"
#include "hone/numerics/detail/rule_quantizer.hpp"

namespace hone {
namespace {
namespace mxint_format {

std::unique_ptr<const Quantizer> bind(const Options& options, const std::string& rule) {
  const int width = static_cast<int>(options.integer("width"));
  const int scale_bits = static_cast<int>(options.integer("scale_bits"));
  if (rule != "exact") {
    if (options.text("tail") == "error")
      fail_format("mxint", "option 'tail' changes nothing under rule " + rule, "leave it out");
    const bool zero = rule == "microxcaling";
    const std::int64_t block = parse_run_length("mxint", options.text("block_size"), zero);
    const std::int64_t axis = options.integer_or("block_dim", -1);
    if (rule == "mase")
      return mase::make_mxint(
          {{block, axis}, width, scale_bits, options.boolean_or("quantile_search", false)});
    return microxcaling::make_block_quantizer(
        {"mxint",
         {microxcaling::integer_element(width),
          microxcaling::parse_round(options.text_or("rounding", "nearest"))},
         axis,
         block,
         scale_bits,
         options.boolean_or("flush_subnormals", false)});
  }
  if (options.contains("block_dim"))
    fail_format("mxint", "option 'block_dim' changes nothing under rule exact",
                "leave it out: blocks lie along the last axis");
  const int fraction = width - 2;
  const float top = largest_whole(width - 1);
  const int bias = (1 << (scale_bits - 1)) - 1;
  return std::make_unique<BlockQuantizer<UniformGrid>>(
      UniformGrid{power_of_two(fraction), power_of_two(-fraction), -top, top, Rounding::nearest},
      width, BlockScale{0, -bias, bias, 0}, scale_bits,
      parse_block_size("mxint", options.text("block_size")), options.text("tail") == "error");
}

}  // namespace mxint_format
}  // namespace

Format format_mxint() {
  using namespace mxint_format;
  Format format{
      {"mxint",
       "OCP MX: integers that share a power of two; MXINT8 by default",
       {width_option(2, 32, 8),
        {"scale_bits", OptionType::integer, std::int64_t{8}, "bits of the shared scale", 2, 8},
        block_size_option("32"),
        tail_option(),
        block_dim_option(),
        {"quantile_search", OptionType::boolean, std::nullopt,
         "rule mase: the maximum, or the quantile of it, with the least square error"},
        microxcaling::rounding_option(),
        microxcaling::flush_subnormals_option()}}};
  format.rules = {"mase", "microxcaling"};
  format.formula = "2^e * k / 2^(width - 2), |k| < 2^(width - 1), e = floor(log2 max|block|)";
  format.notes =
      "Rounds to nearest, ties to even, and saturates symmetrically, as MX v1.0 allows; infinities "
      "saturate, "
      "NaN stays. Rule mase takes the ceiling of log2, so a largest number that is a power of two "
      "loses a "
      "step.";
  format.bind = bind;
  format.uses = {{"quantile_search", "rule", std::string("mase")},
                 {"rounding", "rule", std::string("microxcaling")},
                 {"flush_subnormals", "rule", std::string("microxcaling")}};
  return format;
}

}  // namespace hone
