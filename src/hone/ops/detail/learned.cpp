#include "hone/ops/detail/learned.hpp"

namespace hone {

std::vector<OptionSpec> learned_attributes() {
  return {{"width", OptionType::integer, std::int64_t{8}, "bits of a number", 2, 24},
          {"is_signed", OptionType::boolean, true, "false: no negative numbers"},
          {"symmetric", OptionType::boolean, true, "no number without its opposite"},
          {"power_of_two", OptionType::boolean, false, "the step is rounded to a power of two"},
          {"count", OptionType::integer, std::int64_t{1}, "numbers that share the step", 1, 1e15}};
}

LearnedGrid::LearnedGrid(const Options& attributes, float trained) {
  const int width = static_cast<int>(attributes.integer("width"));
  const bool is_signed = attributes.boolean("is_signed");
  high = power_of_two(is_signed ? width - 1 : width) - 1.0f;
  low = !is_signed ? 0.0f : attributes.boolean("symmetric") ? -high : -high - 1.0f;
  const float magnitude = std::abs(trained);
  step = magnitude < least_step ? least_step : magnitude;  // NaN stays
  sign = magnitude < least_step ? 0.0f : trained < 0 ? -1.0f : 1.0f;
  if (attributes.boolean("power_of_two") && std::isfinite(step))
    step = power_of_two(static_cast<int>(std::lround(std::log2(static_cast<double>(step)))));
}

}  // namespace hone
