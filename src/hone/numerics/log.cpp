// Signed powers of two.
#include <algorithm>

#include "hone/numerics/detail/format_options.hpp"
#include "hone/numerics/detail/mase_kernels.hpp"

namespace hone {
namespace {
namespace log_format {

std::unique_ptr<const Quantizer> bind(const Options& options, const std::string& rule) {
  const int width = static_cast<int>(options.integer("width"));
  const std::int64_t bias = options.integer_or("exponent_bias", largest_code_of(width - 2));
  const std::int64_t top = largest_code_of(width - 1) - bias;
  if (rule == "mase")
    return mase::make_value_quantizer("log", width, mase::Log(width, static_cast<int>(bias)));
  // Exponents outside float32's normal numbers are never used.
  PowerGrid grid{static_cast<int>(std::clamp<std::int64_t>(1 - bias, -126, 128)),
                 static_cast<int>(std::clamp<std::int64_t>(top, -127, 127))};
  if (grid.minimum_exponent > grid.maximum_exponent)
    fail_format(
        "log",
        "exponent_bias = " + std::to_string(bias) + " puts the numbers outside float32's range",
        "leave it out for the usual bias");
  return std::make_unique<ElementQuantizer<PowerGrid>>(grid, width);
}

// The largest bias, that is the finest numbers, with which they still reach the larger end.
Options fit_range(const Options& options, float low, float high) {
  // Up to sqrt(2) times a power round to it.
  return fit_exponent_bias("log", options, std::max(-low, high) * 0.70710678f);
}

}  // namespace log_format
}  // namespace

Format format_log() {
  using namespace log_format;
  Format format{{"log",
                 "zero and signed powers of two",
                 {width_option(2, 32, 8), exponent_bias_option("2^(width - 2) - 1")}}};
  format.rules = {"mase"};
  format.formula = "sign * 2^round(log2 |x|)";
  format.notes =
      "The exponent code 0 stands for zero, which numbers below half the smallest power become. "
      "Infinities saturate, NaN stays. Rule mase has no zero: it becomes the smallest positive "
      "power, "
      "and small negative numbers become positive.";
  format.bind = bind;
  format.fit_range = fit_range;
  return format;
}

}  // namespace hone
