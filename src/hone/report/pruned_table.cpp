#include "hone/report/pruned_table.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/report/numbers.hpp"
#include "hone/report/quantized_table.hpp"

namespace hone {
namespace {

std::string share(double part, double all) {
  if (!(all > 0) || std::isnan(part)) return "";
  return fmt::format("{} of {} ({})", format_count(part), format_count(all),
                     format_percent(part / all, 2));
}

std::string activations(const PrunedEvent& pruned) {
  if (pruned.activations.empty()) return "";
  const std::string& first = pruned.activations.front().dropped;
  const bool alike = std::all_of(pruned.activations.begin(), pruned.activations.end(),
                                 [&](const auto& node) { return node.dropped == first; });
  return fmt::format("{} nodes: {}", pruned.activations.size(),
                     alike ? first : "each a threshold of its own");
}

// "256 of 512 neurons, 2 branches".
std::string removed(const PrunedEvent& pruned) {
  std::vector<std::string> parts;
  for (const auto& [kind, entries] : {std::pair{"heads", &pruned.heads},
                                      {"neurons", &pruned.neurons},
                                      {"channels", &pruned.channels}}) {
    double before = 0, after = 0;
    for (const RemovedEntry& entry : *entries) {
      before += entry.before;
      after += entry.after;
    }
    const std::string went = format_count(before - after);
    if (before > 0)
      parts.push_back(
          fmt::format("{} {}", after > 0 ? went + " of " + format_count(before) : went, kind));
  }
  if (const auto branches = static_cast<double>(pruned.branches.size()); branches > 0)
    parts.push_back(format_count(branches) + " branches");
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string training_of_pruned(const PrunedEvent& pruned) {
  return pruned.trained ? describe_training(*pruned.trained) : "";
}

}  // namespace

ReportTable pruned_table(std::span<const RunSummary> runs) {
  ReportTable table{"pruned", "Pruning", "", {{""}}, {}};
  for (const RunSummary& run : runs) table.columns.push_back({runs.size() == 1 ? "" : run.name});
  const auto add = [&](const char* title,
                       const std::function<std::string(const PrunedEvent&)>& value) {
    std::vector<ReportCell> row{{title}};
    bool any = false;
    for (const RunSummary& run : runs) {
      std::string text = run.pruned ? value(*run.pruned) : "";
      any |= !text.empty();
      row.push_back({text.empty() ? "—" : std::move(text)});
    }
    if (any) table.rows.push_back(std::move(row));
  };
  add("Dropped of these weights", [](const PrunedEvent& p) { return share(p.dropped, p.numbers); });
  add("Dropped of all parameters",
      [](const PrunedEvent& p) { return p.layers.empty() ? "" : share(p.dropped, p.parameters); });
  add("Dropped of activations", activations);
  add("Trained afterwards", training_of_pruned);
  add("Removed", removed);
  add("Parameters", [](const PrunedEvent& p) {
    return p.removed ? fmt::format("{} -> {}", format_count(p.parameters),
                                   format_count(p.parameters_after))
                     : "";
  });
  add("On disk", [](const PrunedEvent& p) {
    if (std::isnan(p.disk_bytes)) return std::string();
    return std::isnan(p.disk_bytes_before)
               ? format_bytes(p.disk_bytes)
               : fmt::format("{} -> {}", format_bytes(p.disk_bytes_before),
                             format_bytes(p.disk_bytes));
  });
  add("Latency", [](const PrunedEvent& p) { return p.verdict; });
  return table;
}

ReportTable pruned_latency_table(const RunSummary& run, const std::string& title) {
  ReportTable table{
      "pruned-latency",
      title,
      "",
      {{"Model"}, {"Median", Align::right}, {"10 to 90 %", Align::right}, {"Against dense"}},
      {}};
  if (!run.pruned) return table;
  for (const LatencyEntry& timing : run.pruned->latency)
    table.rows.push_back(
        {{timing.name},
         {format_duration(timing.median)},
         {fmt::format("{} to {}", format_duration(timing.low), format_duration(timing.high))},
         {timing.against.empty() ? "—" : timing.against}});
  table.note = fmt::format(
      "{} on {} threads: the same numbers without masks on dense "
      "products, as it runs with masks, and with what is zero as a whole taken out.",
      run.pruned->latency_tokens > 0
          ? fmt::format("One text of {} tokens", format_count(run.pruned->latency_tokens))
          : std::string("One sample"),
      format_count(run.pruned->latency_threads));
  return table;
}

ReportTable pruned_layers_table(const RunSummary& run, const std::string& title) {
  ReportTable table{"pruned-weights",
                    title,
                    "",
                    {{"Weight"},
                     {"Numbers", Align::right},
                     {"Dropped", Align::right},
                     {"Sparsity", Align::right}},
                    {}};
  if (!run.pruned) return table;
  for (const PrunedEntry& layer : run.pruned->layers)
    table.rows.push_back(
        {{layer.name},
         {format_count(layer.numbers)},
         {format_count(layer.dropped)},
         {layer.numbers > 0 ? format_percent(layer.dropped / layer.numbers, 2) : "—"}});
  return table;
}

}  // namespace hone
