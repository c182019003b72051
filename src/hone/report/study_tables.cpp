#include "hone/report/study_tables.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "hone/core/letters.hpp"
#include "hone/report/numbers.hpp"

namespace hone {
namespace {

// Of a trial, in a line.
constexpr std::size_t most_parameters = 8, most_characters = 100;

std::string state_of(const StudyTrial& trial) {
  if (trial.standing == TrialStanding::best) return "best";
  if (trial.standing == TrialStanding::tied) return "tied";
  return trial.state == "COMPLETE" && !trial.can_be_best ? "infeasible" : lower_case(trial.state);
}

std::string describe_parameters(const StudySummary& study, const StudyTrial& trial) {
  std::string text;
  std::size_t shown = 0, all = 0;
  bool full = false;
  for (const std::size_t i : by_importance(study)) {
    if (std::isnan(trial.parameters[i])) continue;
    ++all;
    if (full) continue;
    const std::string one =
        fmt::format("{}{} = {}", text.empty() ? "" : ", ", study.parameters[i].name,
                    study.parameters[i].format(trial.parameters[i]));
    full = shown == most_parameters || (shown > 0 && text.size() + one.size() > most_characters);
    if (full) continue;
    ++shown;
    text += one;
  }
  return all > shown ? fmt::format("{}, {} more", text, all - shown) : text;
}

std::vector<TableColumn> columns_of_trials(const StudySummary& study) {
  std::vector<TableColumn> columns{{"trial", Align::right}, {"", Align::left}};
  for (const StudyObjective& one : study.objectives) columns.push_back({one.name, Align::right});
  columns.push_back({"time", Align::right});
  return columns;
}

std::vector<ReportCell> cells_of(const StudySummary& study, const StudyTrial& trial) {
  std::vector<ReportCell> cells{{std::to_string(trial.number)}, {state_of(trial)}};
  for (std::size_t i = 0; i < study.objectives.size(); ++i)
    cells.push_back({format_value(study, trial, i)});
  const double seconds = trial.end - trial.start;
  cells.push_back({std::isnan(seconds) ? "" : format_duration(seconds)});
  return cells;
}

// Whether it is known which trials are within noise of the best.
bool has_intervals(const StudySummary& study) {
  const std::vector<const StudyTrial*> best = best_trials(study);
  return study.objectives.size() == 1 && !best.empty() && best[0]->intervals[0].is_known();
}

std::string tie_note(const StudySummary& study) {
  if (study.objectives.size() != 1 || best_trials(study).empty()) return "";
  if (!has_intervals(study))
    return "No interval was told: which trials are within noise of the best is not known.";
  return count_tied(study) > 0 ? "tied: the 95 % interval overlaps that of the best."
                               : "No other trial's 95 % interval overlaps that of the best.";
}

}  // namespace

ReportTable studies_table(std::span<const StudySummary> studies) {
  ReportTable table{.id = "studies", .title = "Studies"};
  const auto any = [&](const auto& is) { return std::any_of(studies.begin(), studies.end(), is); };
  const bool single = any([](const StudySummary& study) { return study.objectives.size() == 1; });
  const bool intervals = any(has_intervals);
  const bool judged = any([](const StudySummary& study) { return !study.judged.empty(); });
  table.columns = {
      {"study", Align::left}, {"trials", Align::right}, {"", Align::left}, {"best", Align::left}};
  if (single) table.columns.push_back({"trial", Align::right});
  if (intervals) table.columns.push_back({"tied", Align::right});
  table.columns.push_back({"took", Align::right});
  if (judged) table.columns.push_back({"test split, once", Align::left});
  for (const StudySummary& study : studies) {
    const std::vector<const StudyTrial*> best = best_trials(study);
    const bool one = study.objectives.size() == 1;
    std::string value = "–";
    if (!best.empty())
      value = one ? fmt::format("{} {}", study.objectives[0].name, format_value(study, *best[0], 0))
                  : fmt::format("{} on the front", best.size());
    double took = not_recorded;
    for (const StudyTrial& trial : study.trials)
      if (!std::isnan(trial.end)) took = std::isnan(took) ? trial.end : std::max(took, trial.end);
    std::vector<ReportCell> row{
        {study.name}, {std::to_string(study.trials.size())}, {describe_states(study)}, {value}};
    if (single) row.push_back({one && !best.empty() ? std::to_string(best[0]->number) : ""});
    if (intervals) row.push_back({has_intervals(study) ? std::to_string(count_tied(study)) : ""});
    row.push_back({std::isnan(took) ? "" : format_duration(took)});
    if (judged) row.push_back({study.judged});
    table.rows.push_back(std::move(row));
  }
  return table;
}

ReportTable importance_table(const StudySummary& study) {
  ReportTable table{.id = "importance", .title = "Importance"};
  table.note =
      "The share of the variance that a parameter alone explains over the whole space (fANOVA); ± "
      "over the trees.";
  table.columns = {{"parameter", Align::left}};
  bool known = false;
  for (std::size_t i = 0; i < study.objectives.size(); ++i) {
    table.columns.push_back({study.objectives[i].name, Align::right});
    known |= study.effects[i].importance.known;
  }
  if (!known) return table;
  for (const std::size_t parameter : by_importance(study)) {
    std::vector<ReportCell> row{{study.parameters[parameter].name}};
    for (const StudyEffects& one : study.effects)
      row.push_back({one.importance.known
                         ? fmt::format("{:.1f} ± {:.1f} %", 100 * one.importance.share[parameter],
                                       100 * one.importance.deviation[parameter])
                         : "–"});
    table.rows.push_back(std::move(row));
  }
  return table;
}

ReportTable best_table(const StudySummary& study) {
  ReportTable table{.id = "best",
                    .title = study.objectives.size() > 1 ? "Pareto front" : "Best trials",
                    .note = tie_note(study),
                    .columns = columns_of_trials(study)};
  table.columns.push_back({"parameters", Align::left});
  std::vector<const StudyTrial*> shown;
  for (const StudyTrial& trial : study.trials)
    if (trial.standing != TrialStanding::ordinary) shown.push_back(&trial);
  const double sign = !study.objectives.empty() && study.objectives[0].maximize ? -1 : 1;
  std::stable_sort(shown.begin(), shown.end(), [&](const StudyTrial* a, const StudyTrial* b) {
    return sign * a->values[0] < sign * b->values[0];
  });
  for (const StudyTrial* trial : shown) {
    std::vector<ReportCell> row = cells_of(study, *trial);
    row.push_back({describe_parameters(study, *trial)});
    table.rows.push_back(std::move(row));
  }
  return table;
}

ReportTable trials_table(const StudySummary& study) {
  ReportTable table{.id = "trials", .title = "Trials", .columns = columns_of_trials(study)};
  const std::vector<std::size_t> order = by_importance(study);
  for (const std::size_t i : order)
    table.columns.push_back({study.parameters[i].name, Align::left});
  const bool notes = std::any_of(study.trials.begin(), study.trials.end(),
                                 [](const StudyTrial& trial) { return !trial.note.empty(); });
  if (notes) table.columns.push_back({"note", Align::left});
  for (const StudyTrial& trial : study.trials) {
    if (table.rows.size() == most_trial_rows) {
      table.note = fmt::format(
          "The first {} of {} trials; hone study export STUDY --csv FILE has all of them.",
          most_trial_rows, study.trials.size());
      break;
    }
    std::vector<ReportCell> row = cells_of(study, trial);
    for (const std::size_t i : order)
      row.push_back({study.parameters[i].format(trial.parameters[i])});
    if (notes) row.push_back({trial.note});
    row.front().differs = trial.standing != TrialStanding::ordinary;
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string render_studies(std::span<const StudySummary> studies,
                           const TerminalReportOptions& options) {
  std::string out = terminal_text(describe_studies(studies), options.style) + "\n";
  const auto add = [&](const ReportTable& table, const std::string& title) {
    // (The best trials stand among the others too.)
    const std::size_t most = table.id == "best" ? options.most_rows / 2 : options.most_rows;
    if (table.rows.empty()) return;
    TerminalTable text(table.columns);
    const std::size_t shown = most == 0 ? table.rows.size() : std::min(table.rows.size(), most);
    for (std::size_t i = 0; i < shown; ++i) {
      std::vector<std::string> cells;
      for (const ReportCell& cell : table.rows[i]) cells.push_back(cell.text);
      text.add_row(std::move(cells));
    }
    if (shown < table.rows.size())
      text.add_row({fmt::format("… and {} more", table.rows.size() - shown)});
    out += "\n" + terminal_text(title, options.style) + "\n\n" +
           text.render(options.style, options.width);
    if (!table.note.empty()) out += terminal_text(table.note, options.style) + "\n";
  };
  add(studies_table(studies), "Studies");
  for (const StudySummary& study : studies) {
    const std::string of = studies.size() > 1 ? " of " + study.name : "";
    for (const ReportTable& table : {importance_table(study), best_table(study)})
      add(table, table.title + of);
    // In a line a trial: as many parameters as there may be are a table of their own.
    ReportTable trials{.id = "trials", .title = "Trials", .columns = columns_of_trials(study)};
    trials.columns.push_back({"parameters", Align::left});
    for (const StudyTrial& trial : study.trials) {
      std::vector<ReportCell> row = cells_of(study, trial);
      row.push_back({trial.note.empty() ? describe_parameters(study, trial) : trial.note});
      trials.rows.push_back(std::move(row));
    }
    add(trials, trials.title + of);
  }
  return out;
}

}  // namespace hone
