// OCP Microscaling (MX v1.0) with floating-point elements: MXFP8, MXFP6, MXFP4.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "hone/numerics/detail/format_options.hpp"
#include "hone/numerics/detail/mase_mx.hpp"
#include "hone/numerics/detail/microxcaling.hpp"
#include "hone/numerics/detail/rule_quantizer.hpp"

namespace hone {
namespace {
namespace mxfp_format {

struct Element {
  int exponent_width, fraction;
  // Largest exponent and number: E4M3 and E5M2 give up codes to NaN and infinity.
  int maximum_exponent;
  float maximum;
};

constexpr std::array<Element, 5> elements{
    {{4, 3, 8, 448.0f}, {5, 2, 15, 57344.0f}, {3, 2, 4, 28.0f}, {2, 3, 2, 7.5f}, {2, 1, 2, 6.0f}}};

std::unique_ptr<const Quantizer> bind(const Options& options, const std::string& rule) {
  const int exponent_width = static_cast<int>(options.integer("exponent_width"));
  const int fraction = static_cast<int>(options.integer("frac_width"));
  if (rule != "exact" && options.text("tail") == "error")
    fail_format("mxfp", "option 'tail' changes nothing under rule " + rule, "leave it out");
  if (rule == "exact" && options.contains("block_dim"))
    fail_format("mxfp", "option 'block_dim' changes nothing under rule exact",
                "leave it out: blocks lie along the last axis");
  const std::int64_t axis = options.integer_or("block_dim", -1);
  const auto* element =
      std::find_if(elements.begin(), elements.end(), [&](const Element& candidate) {
        return candidate.exponent_width == exponent_width && candidate.fraction == fraction;
      });
  if (rule == "mase" && (element != elements.end() || (exponent_width == 1 && fraction == 2)))
    return mase::make_mxfp({parse_run_length("mxfp", options.text("block_size"), false), axis},
                           exponent_width, fraction);
  if (element == elements.end())
    fail_format("mxfp",
                fmt::format("MX has no element with exponent_width = {} and frac_width = {}",
                            exponent_width, fraction),
                "choose (4, 3), (5, 2), (3, 2), (2, 3) or (2, 1)");
  if (rule == "microxcaling")
    return microxcaling::make_block_quantizer(
        {"mxfp",
         {microxcaling::float_element(exponent_width, fraction),
          microxcaling::parse_round(options.text_or("rounding", "nearest"))},
         axis,
         parse_run_length("mxfp", options.text("block_size"), true),
         8,
         options.boolean_or("flush_subnormals", false)});
  const int bias = (1 << (exponent_width - 1)) - 1;
  return std::make_unique<BlockQuantizer<FloatGrid>>(
      FloatGrid{fraction, 1 - bias, element->maximum}, 1 + exponent_width + fraction,
      BlockScale{-element->maximum_exponent, -127, 127, 0}, 8,
      parse_block_size("mxfp", options.text("block_size")), options.text("tail") == "error");
}

}  // namespace mxfp_format
}  // namespace

Format format_mxfp() {
  using namespace mxfp_format;
  Format format{
      {"mxfp",
       "OCP MX: small floating-point numbers that share a power of two",
       {exponent_width_option(1, 5, 4),
        {"frac_width", OptionType::integer, std::int64_t{3}, "bits after the leading one", 1, 3},
        block_size_option("32"),
        tail_option(),
        block_dim_option(),
        microxcaling::rounding_option(),
        microxcaling::flush_subnormals_option()}}};
  format.rules = {"mase", "microxcaling"};
  format.formula = "2^e * element, e = floor(log2 max|block|) - the element's largest exponent";
  format.notes =
      "Elements E4M3 (largest 448), E5M2 (57344), E3M2 (28), E2M3 (7.5), E2M1 (6), rounded to "
      "nearest, ties "
      "to even, saturating; infinities saturate, NaN stays. Rule mase reaches 480 in E4M3, loses a "
      "carry at "
      "odd exponents and has one binade of subnormal numbers only.";
  format.bind = bind;
  format.uses = {{"rounding", "rule", std::string("microxcaling")},
                 {"flush_subnormals", "rule", std::string("microxcaling")}};
  return format;
}

}  // namespace hone
