// A small floating-point number with hidden bit and subnormal numbers; every exponent code is an
// ordinary number.
#include <algorithm>

#include <fmt/format.h>

#include "hone/numerics/detail/format_options.hpp"
#include "hone/numerics/detail/mase_kernels.hpp"
#include "hone/numerics/detail/microxcaling.hpp"
#include "hone/numerics/detail/rule_quantizer.hpp"

namespace hone {
namespace {
namespace minifloat_ieee_format {

std::unique_ptr<const Quantizer> bind_microxcaling(const Options& options, int width,
                                                   int exponent_width) {
  if (exponent_width > 8)
    fail_format("minifloat_ieee",
                fmt::format("exponent_width = {} is above 8, the most under rule microxcaling",
                            exponent_width),
                "make it smaller");
  const int fraction = mantissa_bits("minifloat_ieee", width, exponent_width, 0);
  if (exponent_width < 2)
    fail_format("minifloat_ieee", "exponent_width = 1 leaves rule microxcaling no ordinary numbers",
                "make it 2 or more");
  if (options.contains("exponent_bias"))
    fail_format("minifloat_ieee", "option 'exponent_bias' changes nothing under rule microxcaling",
                "leave it out");
  microxcaling::ElementOptions element;
  const int top = (1 << (exponent_width - 1)) - 1;
  element.element = {exponent_width, fraction + 2, top,
                     power_of_two(top) * (2.0f - power_of_two(-fraction))};
  element.round = microxcaling::parse_round(options.text_or("rounding", "nearest"));
  element.saturate = false;
  element.subnormals = options.boolean_or("subnormals", true);
  return make_element_rule("minifloat_ieee", "microxcaling", width, [element](float x) {
    return microxcaling::quantize_element(element, x);
  });
}

std::unique_ptr<const Quantizer> bind(const Options& options, const std::string& rule) {
  const int width = static_cast<int>(options.integer("width"));
  const int exponent_width = static_cast<int>(options.integer("exponent_width"));
  const int bias =
      static_cast<int>(options.integer_or("exponent_bias", largest_code_of(exponent_width - 1)));
  if (rule == "microxcaling") return bind_microxcaling(options, width, exponent_width);
  if (rule == "mase") {
    if (width < exponent_width + 1)
      fail_format(
          "minifloat_ieee",
          fmt::format("exponent_width = {} does not fit into width = {}", exponent_width, width),
          "make the width larger or the exponent smaller");
    return mase::make_value_quantizer("minifloat_ieee", width,
                                      mase::MinifloatIeee(width, exponent_width, bias));
  }
  refuse_wider("minifloat_ieee", "exponent_width", exponent_width, 8);
  const int fraction = mantissa_bits("minifloat_ieee", width, exponent_width, 0);
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

// The largest bias, that is the finest numbers, with which they still reach the larger end.
Options fit_range(const Options& options, float low, float high) {
  return fit_exponent_bias("minifloat_ieee", options, std::max(-low, high));
}

}  // namespace minifloat_ieee_format
}  // namespace

Format format_minifloat_ieee() {
  using namespace minifloat_ieee_format;
  Format format{{"minifloat_ieee",
                 "small floating point with hidden bit and subnormal numbers",
                 {width_option(2, 32, 8),
                  with_most(exponent_width_option(1, 31, 4), 8),
                  exponent_bias_option("2^(exponent_width - 1) - 1"),
                  microxcaling::rounding_option(),
                  {"subnormals", OptionType::boolean, std::nullopt,
                   "rule microxcaling: false makes subnormal numbers zero"}}}};
  format.rules = {"mase", "microxcaling"};
  format.formula = "sign * 2^e * (1 + k / 2^m), below the smallest exponent sign * 2^e * k / 2^m";
  format.notes =
      "Rounds to nearest, ties to even, and carries into the next binade; infinities saturate, NaN "
      "stays, "
      "zero keeps its sign. Rule mase does not carry, lets |x| <= 1e-8 pass as it is, and makes "
      "NaN of "
      "infinities.";
  format.bind = bind;
  format.uses = {{"rounding", "rule", std::string("microxcaling")},
                 {"subnormals", "rule", std::string("microxcaling")}};
  format.fit_range = fit_range;
  return format;
}

}  // namespace hone
