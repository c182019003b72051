// Metrics on the terminal.
#pragma once

#include <string>

#include "hone/report/terminal_table.hpp"
#include "hone/train/evaluate.hpp"

namespace hone {

// "86.70 % (86.27-87.12)" of a share of one, "0.8123 (0.80-0.82)" of other figures; a figure
// without an interval stands alone, an undefined one is a dash.
std::string show_score(const Score& score, bool percent);
// "accuracy 86.70 % (86.27-87.12)" or "mean squared error 0.12 (0.1-0.14)".
std::string show_main_metric(const Metrics& metrics);
// One row: `name` and the accuracy, or the mean squared error.
void add_main_metrics(TerminalTable& table, const Metrics& metrics, const std::string& name);
// All figures of a whole, one a row.
void add_metrics(TerminalTable& table, const Metrics& metrics);
// A row a class: precision, recall, F1, samples; then the confusion matrix where it is not too
// wide. Empty for values.
std::string class_tables(const Evaluation& evaluation, TextStyle style, std::size_t width);

}  // namespace hone
