#include "hone/report/quantized_table.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "hone/report/numbers.hpp"

namespace hone {
namespace {

std::string formats(const QuantizedEvent& quantized) {
  std::string text;
  for (const FormatEntry& format : quantized.formats)
    text += fmt::format("{}{} ({}; {} nodes)", text.empty() ? "" : "; ", format.format,
                        format.slots, format_count(format.nodes));
  return text;
}

std::string left_in_float(const QuantizedEvent& quantized) {
  if (!(quantized.parameters > 0)) return "";
  if (quantized.float_parameters == 0) return "nothing";
  std::string text =
      fmt::format("{} ({})", format_count(quantized.float_parameters),
                  format_percent(quantized.float_parameters / quantized.parameters, 1));
  // Most first.
  std::vector<std::pair<std::string, double>> by_op(quantized.left_in_float32.begin(),
                                                    quantized.left_in_float32.end());
  std::stable_sort(by_op.begin(), by_op.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  for (std::size_t i = 0; i < by_op.size(); ++i)
    text +=
        fmt::format("{}{} {}", i == 0 ? ": " : ", ", by_op[i].first, format_count(by_op[i].second));
  return text;
}

std::string bits(const QuantizedEvent& quantized) {
  return quantized.parameters > 0
             ? format_significant(8 * quantized.bytes_after / quantized.parameters, 3)
             : "";
}

std::string fields(const Json& object) {
  std::string text;
  for (const auto& [key, value] : flatten(object))
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", key, value);
  return text;
}

std::string trained(const QuantizedEvent& quantized) {
  std::string text = quantized.trained ? describe_training(*quantized.trained) : "";
  if (quantized.learned_steps > 0)
    text += fmt::format("{}{} learned steps", text.empty() ? "" : "; with ",
                        format_count(quantized.learned_steps));
  return text;
}

}  // namespace

std::string describe_training(const TrainedPart& part) {
  return fmt::format("{} steps, {} samples, {}", format_count(part.steps),
                     format_count(part.samples), format_duration(part.seconds));
}

std::string describe_packed_size(const QuantizedEvent& quantized) {
  if (std::isnan(quantized.bytes_after)) return "";
  std::string text = format_bytes(quantized.bytes_after);
  if (quantized.bytes_before > 0)
    text += fmt::format(" of {} ({})", format_bytes(quantized.bytes_before),
                        format_percent(quantized.bytes_after / quantized.bytes_before, 1));
  return text;
}

ReportTable quantized_table(std::span<const RunSummary> runs) {
  ReportTable table{"quantized", "Quantization", "", {{""}}, {}};
  for (const RunSummary& run : runs) table.columns.push_back({runs.size() == 1 ? "" : run.name});
  const auto add = [&](const char* title,
                       const std::function<std::string(const QuantizedEvent&)>& value) {
    std::vector<ReportCell> row{{title}};
    bool any = false;
    for (const RunSummary& run : runs) {
      std::string text = run.quantized ? value(*run.quantized) : "";
      any |= !text.empty();
      row.push_back({text.empty() ? "—" : std::move(text)});
    }
    if (any) table.rows.push_back(std::move(row));
  };
  add("Formats", formats);
  add("Nodes",
      [](const QuantizedEvent& q) { return std::isnan(q.nodes) ? "" : format_count(q.nodes); });
  add("Left in float32", left_in_float);
  const bool packs = std::any_of(runs.begin(), runs.end(), [](const RunSummary& run) {
    return run.quantized && run.quantized->packed;
  });
  add(packs ? "Size, packed" : "Size once packed", describe_packed_size);
  add("Bits a parameter", bits);
  add("Calibrated", [](const QuantizedEvent& q) { return fields(q.calibration); });
  add("Trained with the rounding", trained);
  add("Products", [](const QuantizedEvent& q) { return q.products; });
  return table;
}

}  // namespace hone
