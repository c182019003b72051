#include "hone/cli/detail/prune_summary.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/metric_tables.hpp"
#include "hone/report/numbers.hpp"

namespace hone {
namespace {

std::string share(std::int64_t part, std::int64_t all) {
  return fmt::format(
      "{} of {} ({})", format_count(static_cast<double>(part)),
      format_count(static_cast<double>(all)),
      format_percent(all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all), 2));
}

std::string bytes_both(std::int64_t before, std::int64_t after) {
  return fmt::format("{} -> {}", format_bytes(static_cast<double>(before)),
                     format_bytes(static_cast<double>(after)));
}

// What went, node by node.
std::string removed_parts(const RemovalOutcome& removal) {
  TerminalTable table({{"removed", Align::left},
                       {"", Align::left},
                       {"before", Align::right},
                       {"left", Align::right}});
  const auto add = [&](const std::vector<Removal::Part>& parts, const char* what) {
    for (const Removal::Part& part : parts)
      table.add_row(
          {part.node, what, fmt::format("{}", part.before), fmt::format("{}", part.after)});
  };
  add(removal.heads, "heads");
  add(removal.neurons, "neurons");
  add(removal.channels, "channels");
  for (const std::string& branch : removal.branches)
    table.add_row({branch, "with all that leads to it", "1", "0"});
  return table.render(console().style(), 0);
}

std::string latencies(const PruningVerdict& verdict) {
  TerminalTable table({{fmt::format("{}, {} thread{}",
                                    verdict.tokens > 0 ? fmt::format("{} tokens", verdict.tokens)
                                                       : std::string("one sample"),
                                    verdict.threads, verdict.threads == 1 ? "" : "s"),
                        Align::left},
                       {"median", Align::right},
                       {"10 to 90 %", Align::left},
                       {"against dense", Align::left}});
  for (const Latency& latency : verdict.latencies)
    table.add_row(
        {latency.name, format_duration(latency.median),
         fmt::format("{} to {}", format_duration(latency.low), format_duration(latency.high)),
         &latency == &verdict.latencies.front()
             ? ""
             : to_string(speedup(verdict.latencies.front(), latency))});
  return table.render(console().style(), 0) + verdict.text + "\n";
}

}  // namespace

std::string summarize_pruning(const PruneOutcome& outcome, const std::filesystem::path& out) {
  std::string text;
  if (!outcome.layers.empty()) {
    TerminalTable layers({{"weight", Align::left},
                          {"numbers", Align::right},
                          {"dropped", Align::right},
                          {"sparsity", Align::right}});
    for (const PrunedLayer& layer : outcome.layers)
      layers.add_row(
          {layer.weight, format_count(static_cast<double>(layer.numbers)),
           format_count(static_cast<double>(layer.dropped)),
           format_percent(static_cast<double>(layer.dropped) / static_cast<double>(layer.numbers),
                          2)});
    text += layers.render(console().style(), 0) + "\n";
  }
  TerminalTable table({{"pruned", Align::left}, {"", Align::left}});
  if (!outcome.layers.empty()) {
    table.add_row({"these weights", share(outcome.dropped, outcome.numbers)});
    table.add_row({"all parameters", share(outcome.dropped, outcome.parameters)});
  }
  if (!outcome.activations.empty()) {
    const std::string& how = outcome.activations.front().second;
    const bool alike = std::all_of(outcome.activations.begin(), outcome.activations.end(),
                                   [&](const auto& node) { return node.second == how; });
    table.add_row({"activations",
                   fmt::format("dropped where {} nodes read them: {}", outcome.activations.size(),
                               alike ? how : "each a threshold of its own")});
  }
  if (outcome.training && outcome.training->result.kept())
    add_main_metrics(table, *outcome.training->result.kept(), "pruned, validation");
  if (outcome.removal) {
    const RemovalOutcome& removal = *outcome.removal;
    const auto both = [](double before, double after) {
      return fmt::format("{} -> {}", format_count(before), format_count(after));
    };
    table.add_row({"parameters", both(static_cast<double>(removal.parameters_before),
                                      static_cast<double>(removal.parameters_after))});
    table.add_row({"in memory", bytes_both(removal.bytes_before, removal.bytes_after)});
  }
  table.add_row({"on disk", outcome.disk_before > 0
                                ? bytes_both(outcome.disk_before, outcome.disk_after)
                                : format_bytes(static_cast<double>(outcome.disk_after))});
  table.add_row({"saved in", out.string()});
  text += table.render(console().style(), 0);
  if (outcome.removal) text += "\n" + removed_parts(*outcome.removal);
  if (outcome.verdict) text += "\n" + latencies(*outcome.verdict);
  return text;
}

}  // namespace hone
