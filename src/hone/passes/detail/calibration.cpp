#include "hone/passes/calibration.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/passes/format_checks.hpp"

namespace hone {
namespace {

bool is_fitted(Slot slot, const FormatChoice& choice) {
  // Probabilities are seen from the largest of their row: 0 to 1 whatever the data is.
  if (slot == Slot::probabilities) return false;
  const Format& format = find_format(choice.format);
  const bool own_scales = slot == Slot::weight || slot == Slot::bias;
  return format.fit_range != nullptr && !(own_scales && format.scales_itself);
}

}  // namespace

std::vector<std::string> observed_values(const Graph& graph, const Quantization& quantization) {
  std::vector<std::string> names;
  for (const NodeFormats& formats : quantization)
    for (const Slot slot : {Slot::data_in, Slot::data_out}) {
      if (formats.slots.count(slot) == 0) continue;
      for (const ValueId id : slot_values(graph, formats.node, slot)) {
        const std::string& name = graph.value(id).name;
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
      }
    }
  return names;
}

std::string stats_name(const std::string& value) { return value + ".stats"; }

void check_calibration(const Quantization& quantization) {
  bool any = false;
  for (const NodeFormats& formats : quantization)
    for (const auto& [slot, choice] : formats.slots) {
      if (!is_fitted(slot, choice)) continue;
      any = true;
      if (!holds_negatives(choice)) return;  // checked against the data
      const Format& format = find_format(choice.format);
      const Options given = parse_format_options(format, choice.options);
      const Options fitted = format.fit_range(given, -3.0f, 5.0f);
      for (const auto& [name, value] : fitted.values())
        if (!given.contains(name)) return;
    }
  if (!any)
    refuse("none of the formats has a scale to calibrate",
           "leave out --calibrate, or choose integer, affine, minifloat_* or log");
  refuse("calibrating changes no format: every scale, point and bias is given",
         "leave out --calibrate, or the options that it would fit");
}

void calibrate(Quantization& quantization, const Graph& graph, const Stats& stats,
               RangeMethod method, double percentile) {
  check_calibration(quantization);
  for (NodeFormats& formats : quantization) {
    for (auto& [slot, choice] : formats.slots) {
      if (!is_fitted(slot, choice)) continue;
      ValueStats seen;
      for (ValueId id : slot_values(graph, formats.node, slot)) {
        const auto found = stats.find(graph.value(id).name);
        if (found == stats.end()) continue;
        if (found->second.count() > 0)
          refuse_unsigned(choice, found->second.minimum(), graph.value(id).name);
        seen.merge(found->second);
      }
      const Format& format = find_format(choice.format);
      choice.options = format_options_text(
          calibrated_options(format, choice.rule, parse_format_options(format, choice.options),
                             seen, method, percentile));
    }
  }
}

}  // namespace hone
