// The tables of a report, built once from the summaries: the terminal and the page show the same
// numbers because they show the same cells.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/report/summary.hpp"
#include "hone/report/terminal_table.hpp"

namespace hone {

struct ReportCell {
  std::string text;
  bool differs = false;  // in a comparison: not the same in every run
};

struct ReportTable {
  std::string id = {};  // overview, sweep, pruning, compression, bench, quantized, pruned,
                        // pruned-latency, pruned-weights, confusion, classes, evaluations,
                        // configuration, layers, kernels, machine
  std::string title = {};
  std::string note = {};  // one sentence on how to read it; may be empty
  std::vector<TableColumn> columns = {};
  std::vector<std::vector<ReportCell>> rows = {};
};

// Tables without rows are left out. `layers` appears once for each network, `kernels` once a
// run.
std::vector<ReportTable> report_tables(std::span<const RunSummary> runs);

// "best", "tied with a, b", "lower, tied with c", "lower", or "" where runs are not ranked.
std::string describe_standing(std::span<const RunSummary> runs, const FinalAccuracy& accuracy);

// The command, machine and versions as one value each: nested objects become dotted keys.
std::vector<std::pair<std::string, std::string>> flatten(const Json& object);

struct TerminalReportOptions {
  TextStyle style = TextStyle::unicode;
  std::size_t width = 100;  // columns; 0: no limit
  // Of long tables, but for the configuration, which is shown whole; the rest is counted.
  std::size_t most_rows = 20;
};
// One table and its note, for results that have no record.
std::string render_table(const ReportTable& table, TextStyle style);
// The whole report as text.
std::string render_terminal(std::span<const RunSummary> runs,
                            const TerminalReportOptions& options = {});

}  // namespace hone
