#include "hone/recipes/detail/width_settings.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/graph/selection.hpp"
#include "hone/passes/format_checks.hpp"
#include "hone/recipes/detail/recipe_keys.hpp"

namespace hone {
namespace {

constexpr const char* all_widths = "4,5,6,7,8,10,12,16,20,24,28,32";
constexpr const char* qat_prefix = "qat_";

void check_format(const RecipeCall& call, WidthSettings& settings) {
  const Format& format = find_format(settings.format);
  const auto knows = [&](const char* name) {
    return std::any_of(format.options.begin(), format.options.end(),
                       [&](const OptionSpec& spec) { return spec.name == name; });
  };
  if (!knows("width"))
    refuse(fmt::format("{}: key 'format': {} has no width", call.file, settings.format),
           "hone format show " + settings.format);
  settings.has_fraction = knows("frac_width");
  if (!settings.has_fraction && call.settings.values.contains("fraction"))
    refuse(fmt::format("{}: key 'fraction' changes nothing: {} has no frac_width", call.file,
                       settings.format));
  for (std::int64_t width : settings.widths) {
    try {
      const Quantization formats = select_formats(settings.base.graph, {settings.selection(width)});
      refuse_unsigned_data(settings.base.graph, formats);
      refuse_shared_scales(settings.base.graph, formats);
    } catch (const Error& error) {
      throw Error(error.code(),
                  fmt::format("{}: at width {}: {}", call.file, width, error.message()),
                  error.hint());
    }
  }
}

}  // namespace

QuantizeSelection WidthSettings::selection(std::int64_t width) const {
  QuantizeSelection selection{nodes, format, {{"width", fmt::format("{}", width)}}};
  if (has_fraction)
    selection.keys.emplace_back(
        "frac_width", fmt::format("{}", static_cast<std::int64_t>(
                                            std::floor(static_cast<double>(width) * fraction))));
  selection.keys.insert(selection.keys.end(), format_keys.begin(), format_keys.end());
  return selection;
}

std::vector<OptionSpec> width_options() {
  std::vector<OptionSpec> specs = base_options(qat_prefix, "QAT");
  const std::vector<OptionSpec> own{
      {.name = "format", .default_value = "integer", .help = "the number format"},
      {.name = "widths", .default_value = all_widths, .help = "list of widths in bits"},
      {.name = "fraction",
       .type = OptionType::real,
       .default_value = 0.5,
       .help = "share of the width that lies after the point",
       .minimum = 0,
       .maximum = 1},
      {.name = "nodes",
       .default_value = layers_selection,
       .help = "what takes the format, as --nodes"},
      {.name = "format_options",
       .default_value = "",
       .help = "list of more keys of the format: [\"rule=mase\", \"bias_format=none\"]"}};
  specs.insert(specs.end(), own.begin(), own.end());
  return specs;
}

WidthSettings read_width_settings(const RecipeCall& call) {
  const Options& values = call.settings.values;
  WidthSettings settings;
  settings.base = read_base_settings(call, qat_prefix);
  settings.format = values.text_or("format", "integer");
  settings.nodes = values.text_or("nodes", layers_selection);
  settings.fraction = values.real_or("fraction", settings.fraction);
  settings.widths = number_list(call, "widths", all_widths, 1);
  if (const std::string keys = values.text_or("format_options", ""); !keys.empty())
    for (const std::string& part : split(keys, ','))
      settings.format_keys.push_back(
          split_setting(part, fmt::format("{}: key 'format_options'", call.file)));
  check_format(call, settings);
  return settings;
}

Json width_identity(const RecipeCall& call, const WidthSettings& settings) {
  return base_identity(call, settings.base, qat_prefix, {"widths"});
}

}  // namespace hone
