#include <algorithm>

#include <fmt/format.h>

#include "hone/report/finding.hpp"
#include "hone/report/tables.hpp"

namespace hone {
namespace {

// Long values of settings and machines go on in the next line, also where nobody limits the width.
constexpr std::size_t fold_width = 120;

bool folds(const std::string& id) { return id == "configuration" || id == "machine"; }

// Their rows are what was asked for.
bool is_whole(const std::string& id) {
  return id == "configuration" || id == "sweep" || id == "pruning" || id == "compression" ||
         id == "bench";
}

}  // namespace

std::string render_table(const ReportTable& table, TextStyle style) {
  TerminalTable text(table.columns);
  for (const auto& row : table.rows) {
    std::vector<std::string> cells;
    for (const ReportCell& cell : row) cells.push_back(cell.text);
    text.add_row(std::move(cells));
  }
  return text.render(style, 0) + terminal_text(table.note, style) + "\n";
}

std::string render_terminal(std::span<const RunSummary> runs,
                            const TerminalReportOptions& options) {
  std::string out;
  if (!runs.empty()) out = terminal_text(describe_finding(runs), options.style) + "\n";
  for (const ReportTable& table : report_tables(runs)) {
    std::string title = table.title;
    if (table.id == "overview" && runs.size() == 1) title = runs.front().name;
    if (!out.empty()) out += "\n";
    out +=
        cut_to_width(title, options.width == 0 ? std::string::npos : options.width, options.style) +
        "\n\n";
    TerminalTable text(table.columns);
    const bool totalled = table.id == "layers" || table.id == "kernels";
    const std::size_t body = table.rows.size() - (totalled ? 1 : 0);
    const bool whole = options.most_rows == 0 || is_whole(table.id);
    const std::size_t shown = whole ? body : std::min(body, options.most_rows);
    const bool marks = std::any_of(table.rows.begin(), table.rows.end(), [](const auto& row) {
      return std::any_of(row.begin(), row.end(),
                         [](const ReportCell& cell) { return cell.differs; });
    });
    const auto add = [&](const std::vector<ReportCell>& row) {
      std::vector<std::string> cells;
      for (const ReportCell& cell : row) cells.push_back(cell.text);
      if (marks) cells[0] = (row.back().differs ? "* " : "  ") + cells[0];
      text.add_row(std::move(cells));
    };
    for (std::size_t i = 0; i < shown; ++i) add(table.rows[i]);
    if (shown < body) text.add_row({fmt::format("… and {} more", body - shown)});
    if (totalled) {
      text.add_rule();
      add(table.rows.back());
    }
    out += folds(table.id)
               ? text.render_folded(options.style, options.width == 0 ? fold_width : options.width)
               : text.render(options.style, options.width);
    if (!table.note.empty())
      out += terminal_text((marks ? "* " : "") + table.note, options.style) + "\n";
  }
  return out;
}

}  // namespace hone
