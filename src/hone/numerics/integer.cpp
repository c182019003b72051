// Fixed point: integers of `width` bits times 2^-frac_width.
#include <cmath>

#include <fmt/format.h>

#include "hone/numerics/detail/format_options.hpp"
#include "hone/numerics/detail/mase_kernels.hpp"

namespace hone {
namespace {
namespace integer_format {

std::unique_ptr<const Quantizer> bind(const Options& options, const std::string& rule) {
  const int width = static_cast<int>(options.integer("width"));
  const int fraction = static_cast<int>(options.integer_or("frac_width", width / 2));
  const bool is_signed = options.boolean("is_signed");
  const bool floor = options.text("rounding") == "floor";
  if (rule == "mase")
    return mase::make_value_quantizer("integer", width,
                                      mase::Integer(width, fraction, is_signed, floor));
  refuse_wider("integer", "width", width, 32);
  UniformGrid grid;
  grid.inverse = power_of_two(fraction);
  grid.step = power_of_two(-fraction);
  grid.low = is_signed ? -power_of_two(width - 1) : 0.0f;
  grid.high = largest_whole(is_signed ? width - 1 : width);
  grid.rounding = floor ? Rounding::floor : Rounding::nearest;
  return std::make_unique<ElementQuantizer<UniformGrid>>(grid, width);
}

// The finest step whose numbers reach `low` and `high`.
Options fit_range(const Options& options, float low, float high) {
  const auto width = static_cast<int>(options.integer_or("width", 8));
  const bool is_signed = options.boolean_or("is_signed", true);
  const double most = largest_whole(is_signed ? width - 1 : width);
  const double least = is_signed ? -std::ldexp(1.0, width - 1) : 0.0;
  Options fitted = options;
  // A signed bit has no positive number, an unsigned format no negative ones.
  const bool reaches_up = high > 0 && most > 0 && std::isfinite(high);
  const bool reaches_down = low < 0 && is_signed && std::isfinite(low);
  if (!reaches_up && !reaches_down) return fitted;
  std::int64_t fraction = 100;
  for (; fraction > -100; --fraction) {
    const double up = std::ldexp(static_cast<double>(high), static_cast<int>(fraction));
    const double down = std::ldexp(static_cast<double>(low), static_cast<int>(fraction));
    if ((!reaches_up || up <= most) && (!reaches_down || down >= least)) break;
  }
  fitted.set("frac_width", fraction);
  return fitted;
}

}  // namespace integer_format
}  // namespace

Format format_integer() {
  using namespace integer_format;
  Format format{
      {"integer",
       "fixed point: whole numbers times a power of two",
       {with_most(width_option(1, 64, 8), 32),
        {"frac_width", OptionType::integer, std::nullopt,
         "bits after the point, may be negative or exceed the width (default: half of the width)",
         -100, 100},
        {"is_signed", OptionType::boolean, true, "two's complement; false: no negative numbers"},
        {"rounding",
         OptionType::text,
         std::string("nearest"),
         "nearest (ties to even) or floor",
         0,
         0,
         {"nearest", "floor"}}}}};
  format.rules = {"mase"};
  format.formula = "clamp(round(x * 2^frac_width), low, high) / 2^frac_width";
  format.notes =
      "Infinities saturate, NaN stays. Zero is positive. Rule mase keeps a negative zero, and from "
      "26 "
      "bits on its largest number is one step above the format's.";
  format.bind = bind;
  format.fit_range = fit_range;
  return format;
}

}  // namespace hone
