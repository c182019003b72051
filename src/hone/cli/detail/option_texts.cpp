#include "hone/cli/detail/option_texts.hpp"

#include <cmath>
#include <cstdint>
#include <variant>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace hone {
namespace {

// Bounds that only keep a number from overflowing tell nobody anything.
constexpr double no_limit = 1e9;

}  // namespace

std::string describe_range(const OptionSpec& spec) {
  if (spec.type != OptionType::integer && spec.type != OptionType::real) return "";
  const bool above = std::isfinite(spec.minimum);
  const bool below = spec.maximum < no_limit;
  if (above && below) return fmt::format("{:g} to {:g}", spec.minimum, spec.maximum);
  if (above) return fmt::format("{:g} or more", spec.minimum);
  return below ? fmt::format("at most {:g}", spec.maximum) : "";
}

std::string describe_option(const OptionSpec& spec) {
  std::string text = spec.help;
  if (spec.default_value && !to_string(*spec.default_value).empty())
    text += fmt::format(" (default: {})", to_string(*spec.default_value));
  if (const std::string range = describe_range(spec); !range.empty()) text += "; " + range;
  if (!spec.choices.empty()) text += fmt::format("; one of: {}", fmt::join(spec.choices, ", "));
  return text;
}

Json option_json(const OptionSpec& spec) {
  static constexpr const char* types[] = {"boolean", "integer", "real", "text"};
  Json json{{"name", spec.name}, {"type", types[static_cast<int>(spec.type)]}, {"help", spec.help}};
  if (spec.default_value)
    std::visit([&](const auto& value) { json["default"] = value; }, *spec.default_value);
  const auto bound = [&](double value) {
    return spec.type == OptionType::integer ? Json(static_cast<std::int64_t>(value)) : Json(value);
  };
  if (std::isfinite(spec.minimum)) json["minimum"] = bound(spec.minimum);
  if (std::isfinite(spec.maximum)) json["maximum"] = bound(spec.maximum);
  if (!spec.choices.empty()) json["choices"] = spec.choices;
  return json;
}

}  // namespace hone
