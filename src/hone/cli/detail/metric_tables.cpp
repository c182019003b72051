#include "hone/cli/detail/metric_tables.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hone/report/numbers.hpp"

namespace hone {
namespace {

// More columns do not fit a terminal.
constexpr std::size_t most_classes_of_matrix = 12;
constexpr std::size_t widest_label = 24;

std::string shown_label(const std::string& label, TextStyle style) {
  return cut_to_width(label, widest_label, style);
}

std::string confusion_table(const Evaluation& evaluation, TextStyle style, std::size_t width) {
  std::vector<TableColumn> columns{{"true \\ predicted", Align::left}};
  for (const std::string& label : evaluation.labels)
    columns.push_back({shown_label(label, style), Align::right});
  TerminalTable table(columns);
  for (std::size_t i = 0; i < evaluation.confusion.size(); ++i) {
    std::vector<std::string> cells{shown_label(evaluation.labels[i], style)};
    for (const std::int64_t count : evaluation.confusion[i])
      cells.push_back(fmt::format("{}", count));
    table.add_row(std::move(cells));
  }
  return table.render(style, width);
}

}  // namespace

std::string show_score(const Score& score, bool percent) {
  if (!score.has_interval())
    return percent && score.is_defined() ? format_percent(score.value)
                                         : format_significant(score.value);
  if (percent) return format_interval(score.value, score.low, score.high);
  return fmt::format("{} ({}–{})", format_significant(score.value), format_significant(score.low),
                     format_significant(score.high));
}

std::string show_main_metric(const Metrics& metrics) {
  if (!metrics.of_classes()) return "mean squared error " + show_score(metrics.mse, false);
  return "accuracy " +
         format_interval(metrics.accuracy, metrics.interval.low, metrics.interval.high);
}

void add_main_metrics(TerminalTable& table, const Metrics& metrics, const std::string& name) {
  if (metrics.of_classes())
    table.add_row({name + " accuracy",
                   format_interval(metrics.accuracy, metrics.interval.low, metrics.interval.high)});
  else
    table.add_row({name + " mean squared error", show_score(metrics.mse, false)});
}

void add_metrics(TerminalTable& table, const Metrics& metrics) {
  if (!metrics.of_classes()) {
    table.add_row({"mean squared error (95 % interval)", show_score(metrics.mse, false)});
    table.add_row({"mean absolute error", show_score(metrics.mae, false)});
    table.add_row({"R2", show_score(metrics.r2, false)});
    table.add_row({"Pearson correlation", show_score(metrics.pearson, false)});
    table.add_row({"Spearman correlation", show_score(metrics.spearman, false)});
    return;
  }
  table.add_row({"accuracy (95 % interval)",
                 format_interval(metrics.accuracy, metrics.interval.low, metrics.interval.high)});
  if (metrics.top5.is_defined())
    table.add_row({"among the five most probable", show_score(metrics.top5, true)});
  table.add_row({"macro-F1", show_score(metrics.macro_f1, true)});
  table.add_row({"Matthews correlation", show_score(metrics.mcc, false)});
  table.add_row({"loss", format_significant(metrics.loss)});
}

std::string class_tables(const Evaluation& evaluation, TextStyle style, std::size_t width) {
  if (!evaluation.of_classes()) return "";
  TerminalTable table({{"class", Align::left},
                       {"samples", Align::right},
                       {"predicted", Align::right},
                       {"precision", Align::right},
                       {"recall", Align::right},
                       {"F1", Align::right}});
  bool undefined = false;
  for (std::size_t c = 0; c < evaluation.classes.size(); ++c) {
    const ClassMetrics& one = evaluation.classes[c];
    undefined = undefined || one.support == 0 || one.predicted == 0;
    table.add_row({shown_label(evaluation.labels[c], style), fmt::format("{}", one.support),
                   fmt::format("{}", one.predicted), show_score(one.precision, true),
                   show_score(one.recall, true), show_score(one.f1, true)});
  }
  std::string text = table.render(style, width);
  if (undefined)
    text +=
        "The precision of a class that is never predicted and the recall of one without samples "
        "count as 0.\n";
  if (evaluation.classes.size() <= most_classes_of_matrix)
    text += "\n" + confusion_table(evaluation, style, width);
  return text;
}

}  // namespace hone
