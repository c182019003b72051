#include "hone/ops/detail/learned.hpp"

#include <limits>

namespace hone {

std::vector<OptionSpec> learned_attributes() {
  return {{"width", OptionType::integer, std::int64_t{8}, "bits of a number", 2, 16},
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
  // A step that training drove to zero or below stays a step.
  step = std::max(std::abs(trained), std::numeric_limits<float>::min() * 0x1p20f);
  if (attributes.boolean("power_of_two"))
    step = power_of_two(static_cast<int>(std::lround(std::log2(static_cast<double>(step)))));
}

}  // namespace hone
