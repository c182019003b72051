#include "hone/report/tables.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include <fmt/format.h>

#include "hone/core/json.hpp"
#include "hone/report/bench_curves.hpp"
#include "hone/report/compression.hpp"
#include "hone/report/confusion.hpp"
#include "hone/report/numbers.hpp"
#include "hone/report/pruned_table.hpp"
#include "hone/report/pruning_curves.hpp"
#include "hone/report/quantized_table.hpp"
#include "hone/report/sweep.hpp"

namespace hone {
namespace {

using Runs = std::span<const RunSummary>;
using Pairs = std::vector<std::pair<std::string, std::string>>;

std::string or_dash(std::string text) { return text.empty() ? no_number : std::move(text); }

std::vector<TableColumn> column_per_run(Runs runs, const char* first) {
  std::vector<TableColumn> columns{{first}};
  const std::string only = *first == '\0' ? "" : "Value";
  for (const RunSummary& run : runs) columns.push_back({runs.size() == 1 ? only : run.name});
  return columns;
}

// A row of a table with one column a run; marked where the runs differ.
void add_compared(ReportTable& table, const std::string& title, std::vector<std::string> values,
                  bool mark) {
  const bool differs =
      mark && std::any_of(values.begin(), values.end(),
                          [&](const std::string& value) { return value != values.front(); });
  std::vector<ReportCell> row{{title}};
  for (std::string& value : values) row.push_back({or_dash(std::move(value)), differs});
  table.rows.push_back(std::move(row));
}

void add_measured(ReportTable& table, Runs runs, const std::string& title,
                  const std::function<std::string(const RunSummary&)>& value) {
  std::vector<std::string> values;
  for (const RunSummary& run : runs) values.push_back(or_dash(value(run)));
  if (std::all_of(values.begin(), values.end(), [](const auto& text) { return text == no_number; }))
    return;
  add_compared(table, title, std::move(values), false);
}

std::string describe_status(const RunSummary& run) {
  std::string text = run.status;
  if (text == "unfinished") text += " (no end: killed, or still running)";
  if (!run.resumed_from.empty()) {
    text += run.resumed_from.size() == 1 ? ", resumed at step " : ", resumed at steps ";
    for (std::size_t i = 0; i < run.resumed_from.size(); ++i)
      text += fmt::format("{}{}", i == 0 ? "" : ", ", run.resumed_from[i]);
  }
  return text;
}

std::string describe_steps(const RunSummary& run) {
  if (run.steps.empty()) return "";
  const double epoch = run.steps.back().epoch;
  return std::isnan(epoch)
             ? fmt::format("{}", run.steps.back().step)
             : fmt::format("{} (epoch {})", run.steps.back().step, format_significant(epoch));
}

std::string describe_speed(const RunSummary& run) {
  std::string text;
  if (!std::isnan(run.samples_per_second))
    text = format_count(run.samples_per_second) + " samples/s";
  if (!std::isnan(run.tokens_per_second))
    text += (text.empty() ? "" : ", ") + format_count(run.tokens_per_second) + " tokens/s";
  return text;
}

std::string describe_memory(const RunSummary& run) {
  if (std::isnan(run.memory.arena_bytes)) return format_bytes(run.memory.peak_bytes);
  return fmt::format("{} (arena {})", format_bytes(run.memory.peak_bytes),
                     format_bytes(run.memory.arena_bytes));
}

ReportTable overview_table(Runs runs, const Comparison& comparison) {
  ReportTable table{"overview", "Overview", "", column_per_run(runs, ""), {}};
  std::vector<std::string> accuracies, standings;
  bool any_accuracy = false, any_standing = false;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const FinalAccuracy& final = comparison.runs[i];
    std::string accuracy =
        final.eval ? format_interval(final.eval->accuracy, final.eval->low, final.eval->high) : "";
    if (final.eval && comparison.split.empty()) accuracy += ", " + or_dash(final.eval->split);
    accuracies.push_back(std::move(accuracy));
    standings.push_back(describe_standing(runs, final));
    any_accuracy |= final.eval.has_value();
    any_standing |= final.standing != Standing::unranked;
  }
  add_measured(table, runs, "Status", describe_status);
  if (any_accuracy)
    add_compared(table,
                 comparison.split.empty()
                     ? "Accuracy (95 % interval), split"
                     : fmt::format("Accuracy, {} (95 % interval)", comparison.split),
                 accuracies, false);
  if (any_standing) add_compared(table, "Standing", standings, false);
  for (const auto& [title, member] :
       {std::pair{"Macro-F1", &EvalEvent::macro_f1}, {"Matthews correlation", &EvalEvent::mcc}}) {
    std::vector<std::string> values;
    for (const FinalAccuracy& final : comparison.runs) {
      const bool common = final.eval && !comparison.split.empty();
      const double value = common ? (*final.eval).*member : not_recorded;
      values.push_back(std::isnan(value) ? "" : fmt::format("{:.4f}", value));
    }
    if (std::any_of(values.begin(), values.end(), [](const auto& text) { return !text.empty(); }))
      add_compared(table, fmt::format("{}, {}", title, comparison.split), values, false);
  }
  add_measured(table, runs, "Loss, mean of the last steps", [](const RunSummary& run) {
    return run.steps.empty() ? ""
                             : fmt::format("{} ({} steps)", format_significant(run.final_loss),
                                           run.final_loss_steps);
  });
  add_measured(table, runs, "Model", [](const RunSummary& run) { return run.model.name; });
  add_measured(table, runs, "Parameters",
               [](const RunSummary& run) { return format_count(run.model.parameters); });
  add_measured(table, runs, "Steps", describe_steps);
  add_measured(table, runs, "Samples",
               [](const RunSummary& run) { return format_count(run.samples); });
  add_measured(table, runs, "Tokens",
               [](const RunSummary& run) { return format_count(run.tokens); });
  add_measured(table, runs, "Training speed", describe_speed);
  add_measured(table, runs, "Time in steps",
               [](const RunSummary& run) { return format_duration(run.step_seconds); });
  add_measured(table, runs, "Time in all",
               [](const RunSummary& run) { return format_duration(run.seconds); });
  add_measured(table, runs, "Peak memory", describe_memory);
  return table;
}

ReportTable evaluations_table(Runs runs) {
  ReportTable table{"evaluations", "Evaluations", "", {}, {}};
  if (runs.size() > 1) table.columns.push_back({"Run"});
  for (const char* title : {"Epoch", "Step"}) table.columns.push_back({title, Align::right});
  table.columns.push_back({"Split"});
  const auto any = [&](double EvalEvent::*member) {
    return std::any_of(runs.begin(), runs.end(), [&](const RunSummary& run) {
      return std::any_of(run.evals.begin(), run.evals.end(),
                         [&](const EvalEvent& eval) { return !std::isnan(eval.*member); });
    });
  };
  std::vector<std::pair<const char*, double EvalEvent::*>> more;
  for (const auto& [title, member] : {std::pair{"Macro-F1", &EvalEvent::macro_f1},
                                      {"MCC", &EvalEvent::mcc},
                                      {"MSE", &EvalEvent::mse},
                                      {"MAE", &EvalEvent::mae},
                                      {"Pearson", &EvalEvent::pearson}})
    if (any(member)) more.emplace_back(title, member);
  table.columns.push_back({"Samples", Align::right});
  const bool of_classes = any(&EvalEvent::accuracy) || !any(&EvalEvent::mse);
  if (of_classes) table.columns.push_back({"Accuracy (95 % interval)", Align::right});
  for (const auto& [title, member] : more) table.columns.push_back({title, Align::right});
  for (const char* title : {"Loss", "Samples/s"}) table.columns.push_back({title, Align::right});
  for (const RunSummary& run : runs)
    for (const EvalEvent& eval : run.evals) {
      std::vector<ReportCell> row;
      if (runs.size() > 1) row.push_back({run.name});
      for (std::string text :
           {format_significant(eval.epoch), fmt::format("{}", eval.step), or_dash(eval.split),
            std::isnan(eval.samples) ? no_number : fmt::format("{:.0f}", eval.samples)})
        row.push_back({std::move(text)});
      if (of_classes) row.push_back({format_interval(eval.accuracy, eval.low, eval.high)});
      for (const auto& [title, member] : more)
        row.push_back({std::isnan(eval.*member) ? no_number : fmt::format("{:.4f}", eval.*member)});
      row.push_back({format_significant(eval.loss)});
      row.push_back({format_count(eval.samples_per_second)});
      table.rows.push_back(std::move(row));
    }
  return table;
}

// One row a key that any run has, in the order of first appearance.
void add_keys(ReportTable& table, Runs runs, const std::string& prefix,
              const std::function<Pairs(const RunSummary&)>& pairs_of) {
  std::vector<std::string> keys;
  std::vector<Pairs> all;
  for (const RunSummary& run : runs) {
    all.push_back(pairs_of(run));
    for (const auto& [key, value] : all.back())
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  }
  for (const std::string& key : keys) {
    std::vector<std::string> values;
    for (const Pairs& pairs : all) {
      const auto found = std::find_if(pairs.begin(), pairs.end(),
                                      [&](const auto& pair) { return pair.first == key; });
      values.push_back(found == pairs.end() ? "" : found->second);
    }
    add_compared(table, prefix + key, std::move(values), true);
  }
}

ReportTable configuration_table(Runs runs) {
  ReportTable table{"configuration",
                    "Configuration",
                    runs.size() > 1 ? "Marked rows are not the same in every run." : "",
                    column_per_run(runs, "Option"),
                    {}};
  add_keys(table, runs, "", [](const RunSummary& run) { return flatten(run.config); });
  // First what somebody chose; among many defaults it would be lost.
  const auto is_changed = [&](const std::vector<ReportCell>& row) {
    return std::any_of(runs.begin(), runs.end(), [&](const RunSummary& run) {
      return std::any_of(run.changed.begin(), run.changed.end(), [&](const std::string& key) {
        return row[0].text == key || row[0].text.rfind(key + ".", 0) == 0;
      });
    });
  };
  std::stable_partition(table.rows.begin(), table.rows.end(), is_changed);
  return table;
}

ReportTable machine_table(Runs runs) {
  ReportTable table{"machine", "Machine, versions, command", "", column_per_run(runs, ""), {}};
  add_keys(table, runs, "machine ", [](const RunSummary& run) { return flatten(run.machine); });
  add_keys(table, runs, "version ", [](const RunSummary& run) { return flatten(run.versions); });
  const auto one = [&](const char* key, std::string RunSummary::*member) {
    add_keys(table, runs, "", [key, member](const RunSummary& run) {
      return (run.*member).empty() ? Pairs{} : Pairs{{key, run.*member}};
    });
  };
  one("started", &RunSummary::started);
  one("command", &RunSummary::command);
  one("record", &RunSummary::source);
  // A record's path, its command and its start are never the same: nothing to point at.
  for (auto& row : table.rows)
    if (row[0].text == "started" || row[0].text == "command" || row[0].text == "record")
      for (ReportCell& cell : row) cell.differs = false;
  return table;
}

// Slots of one format together: "integer width=8", or "weight: integer width=4; bias: ...".
std::string describe_slots(const LayerEntry& layer) {
  std::vector<std::pair<std::string, std::string>> groups;
  for (const auto& [slot, format] : layer.formats) {
    const auto known = std::find_if(groups.begin(), groups.end(),
                                    [&](const auto& group) { return group.first == format; });
    if (known == groups.end())
      groups.emplace_back(format, slot);
    else
      known->second += ", " + slot;
  }
  std::string text;
  for (const auto& [format, slots] : groups)
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", slots, format);
  return text;
}

ReportTable layers_table(const RunSummary& run, const std::string& title) {
  ReportTable table{"layers",
                    title,
                    "",
                    {{"Layer"},
                     {"Op"},
                     {"Parameters", Align::right},
                     {"Bytes", Align::right},
                     {"MACs a token", Align::right},
                     {"Share of MACs", Align::right}},
                    {}};
  // One for all of them is in the table of the quantization.
  std::set<std::string> different;
  for (const LayerEntry& layer : run.model.layers)
    if (!layer.formats.empty()) different.insert(describe_slots(layer));
  const bool quantized = different.size() > (run.quantized ? 1 : 0);
  if (quantized) table.columns.push_back({"Formats"});
  double parameters = not_recorded, bytes = not_recorded, macs = not_recorded;
  const auto add = [](double& sum, double value) {
    if (!std::isnan(value)) sum = (std::isnan(sum) ? 0 : sum) + value;
  };
  for (const LayerEntry& layer : run.model.layers) {
    add(parameters, layer.parameters);
    add(bytes, layer.bytes);
    add(macs, layer.macs_per_token);
  }
  for (const LayerEntry& layer : run.model.layers) {
    table.rows.push_back({{or_dash(layer.name)},
                          {or_dash(layer.op)},
                          {format_count(layer.parameters)},
                          {format_bytes(layer.bytes)},
                          {format_count(layer.macs_per_token)},
                          {macs > 0 ? format_percent(layer.macs_per_token / macs, 1) : no_number}});
    if (quantized)
      table.rows.back().push_back({layer.formats.empty() ? "float32" : describe_slots(layer)});
  }
  if (!run.model.layers.empty()) {
    table.rows.push_back({{"all layers"},
                          {""},
                          {format_count(parameters)},
                          {format_bytes(bytes)},
                          {format_count(macs)},
                          {macs > 0 ? "100.0 %" : no_number}});
    if (quantized) table.rows.back().push_back({""});
  }
  return table;
}

ReportTable kernels_table(const RunSummary& run, const std::string& title) {
  ReportTable table{"kernels",
                    title,
                    "Share is of the time in all kernels of the run.",
                    {{"Kernel"},
                     {"Op"},
                     {"Calls", Align::right},
                     {"Time", Align::right},
                     {"A call", Align::right},
                     {"GFLOP/s", Align::right},
                     {"Share", Align::right}},
                    {}};
  KernelRow total{{.calls = 0, .seconds = 0, .flop = 0}};
  for (const KernelRow& row : run.kernels) {
    total.calls += row.calls;
    total.seconds += row.seconds;
    total.flop += row.flop;
    table.rows.push_back({{or_dash(row.kernel)},
                          {or_dash(row.op)},
                          {format_count(row.calls)},
                          {format_duration(row.seconds)},
                          {row.calls > 0 ? format_duration(row.seconds / row.calls) : no_number},
                          {format_significant(row.gflop_per_second(), 3)},
                          {format_percent(row.share, 1)}});
  }
  if (!run.kernels.empty())
    table.rows.push_back({{"all kernels"},
                          {""},
                          {format_count(total.calls)},
                          {format_duration(total.seconds)},
                          {""},
                          {format_significant(total.gflop_per_second(), 3)},
                          {total.seconds > 0 ? "100.0 %" : no_number}});
  return table;
}

bool same_layers(const RunSummary& a, const RunSummary& b) {
  const auto same = [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); };
  return std::equal(a.model.layers.begin(), a.model.layers.end(), b.model.layers.begin(),
                    b.model.layers.end(), [&](const LayerEntry& x, const LayerEntry& y) {
                      return x.name == y.name && x.op == y.op && same(x.parameters, y.parameters) &&
                             same(x.bytes, y.bytes) && same(x.macs_per_token, y.macs_per_token) &&
                             x.formats == y.formats;
                    });
}

// One table for each network; runs of the same network share it.
void add_layer_tables(std::vector<ReportTable>& tables, Runs runs) {
  std::vector<std::pair<const RunSummary*, std::string>> networks;
  for (const RunSummary& run : runs) {
    const auto same = std::find_if(networks.begin(), networks.end(), [&](const auto& network) {
      return same_layers(*network.first, run);
    });
    if (same == networks.end())
      networks.emplace_back(&run, run.name);
    else
      same->second += ", " + run.name;
  }
  for (const auto& [run, names] : networks)
    tables.push_back(layers_table(*run, networks.size() == 1 ? "Layers" : "Layers of " + names));
}

}  // namespace

std::vector<std::pair<std::string, std::string>> flatten(const Json& object) {
  Pairs pairs;
  for (const auto& [key, value] : object.items()) {
    if (value.is_object() && !value.empty()) {
      for (auto& [inner, text] : flatten(value)) pairs.emplace_back(key + "." + inner, text);
    } else if (value.is_string()) {
      pairs.emplace_back(key, value.get<std::string>());
    } else if (value.is_number_float()) {
      // As it would be typed: 0.0005, not the nearest double in 17 digits.
      pairs.emplace_back(key, fmt::format("{:.9g}", value.get<double>()));
    } else {
      pairs.emplace_back(key, value.dump());
    }
  }
  return pairs;
}

std::string describe_standing(Runs runs, const FinalAccuracy& accuracy) {
  std::string ties;
  for (const std::size_t other : accuracy.tied_with)
    ties += (ties.empty() ? "tied with " : ", ") + runs[other].name;
  switch (accuracy.standing) {
    case Standing::unranked: return "";
    case Standing::best: return "best";
    case Standing::tied_for_best: return ties;
    case Standing::lower: return ties.empty() ? "lower" : "lower, " + ties;
  }
  return "";
}

std::vector<ReportTable> report_tables(Runs runs) {
  std::vector<ReportTable> tables;
  const Comparison comparison = compare_final_accuracy(runs);
  ReportTable overview = overview_table(runs, comparison);
  if (std::any_of(comparison.runs.begin(), comparison.runs.end(),
                  [](const FinalAccuracy& run) { return run.standing != Standing::unranked; }))
    overview.note = "Runs whose 95 % intervals overlap are tied: the difference may be noise.";
  tables.push_back(std::move(overview));
  for (const RunSummary& run : runs)
    if (!run.points.empty())
      tables.push_back(sweep_table(arrange_sweep(run), runs.size() == 1
                                                           ? "Accuracy by width"
                                                           : "Accuracy by width of " + run.name));
  for (const RunSummary& run : runs)
    if (!run.pruning_points.empty())
      tables.push_back(pruning_curves_table(
          arrange_pruning(run),
          runs.size() == 1 ? "Accuracy by sparsity" : "Accuracy by sparsity of " + run.name));
  for (const RunSummary& run : runs)
    if (!run.compression_points.empty())
      tables.push_back(compression_table(arrange_compression(run),
                                         runs.size() == 1 ? "Stages" : "Stages of " + run.name));
  for (const RunSummary& run : runs)
    if (!run.bench_points.empty())
      tables.push_back(
          bench_table(arrange_bench(run), runs.size() == 1 ? "Times" : "Times of " + run.name));
  tables.push_back(quantized_table(runs));
  tables.push_back(pruned_table(runs));
  for (const RunSummary& run : runs)
    tables.push_back(pruned_latency_table(
        run, runs.size() == 1 ? "Latency of the pruned model" : "Latency of " + run.name));
  for (const RunSummary& run : runs)
    tables.push_back(pruned_layers_table(
        run, runs.size() == 1 ? "Pruned weights" : "Pruned weights of " + run.name));
  for (const RunSummary& run : runs)
    if (const EvalEvent* eval = find_confusion(run, comparison.split)) {
      const std::string of = runs.size() == 1 ? eval->split : run.name + ", " + eval->split;
      tables.push_back(confusion_table(*eval, fmt::format("Classes ({})", of)));
    }
  tables.push_back(evaluations_table(runs));
  tables.push_back(configuration_table(runs));
  add_layer_tables(tables, runs);
  for (const RunSummary& run : runs)
    tables.push_back(kernels_table(run, runs.size() == 1 ? "Kernels" : "Kernels of " + run.name));
  tables.push_back(machine_table(runs));
  std::erase_if(tables, [](const ReportTable& table) { return table.rows.empty(); });
  return tables;
}

}  // namespace hone
