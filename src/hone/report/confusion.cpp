#include "hone/report/confusion.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "hone/report/numbers.hpp"

namespace hone {
namespace {

std::string percent_of(double value) { return std::isnan(value) ? "—" : format_percent(value, 1); }

ReportTable matrix(const EvalEvent& eval, const std::string& title) {
  ReportTable table{"confusion",
                    title,
                    "Rows: the true class. Columns: what was predicted.",
                    {{"True class"}},
                    {}};
  for (const std::string& label : eval.labels) table.columns.push_back({label, Align::right});
  for (const char* name : {"Recall", "F1"}) table.columns.push_back({name, Align::right});
  const std::vector<ClassQuality> quality = class_quality(eval.confusion);
  for (std::size_t row = 0; row < eval.labels.size(); ++row) {
    std::vector<ReportCell> cells{{eval.labels[row]}};
    for (const std::int64_t count : eval.confusion[row])
      cells.push_back({fmt::format("{}", count)});
    cells.push_back({percent_of(quality[row].recall)});
    cells.push_back({percent_of(quality[row].f1)});
    table.rows.push_back(std::move(cells));
  }
  std::vector<ReportCell> precision{{"Precision"}};
  for (const ClassQuality& one : quality) precision.push_back({percent_of(one.precision)});
  precision.push_back({""});
  precision.push_back({""});
  table.rows.push_back(std::move(precision));
  return table;
}

ReportTable class_list(const EvalEvent& eval, const std::string& title) {
  ReportTable table{"classes",
                    title,
                    "The classes with the lowest F1 first.",
                    {{"Class"},
                     {"Samples", Align::right},
                     {"Precision", Align::right},
                     {"Recall", Align::right},
                     {"F1", Align::right},
                     {"Most often taken for"}},
                    {}};
  const std::vector<ClassQuality> quality = class_quality(eval.confusion);
  std::vector<std::size_t> order(quality.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto known = [&](std::size_t i) { return std::isnan(quality[i].f1) ? 2 : quality[i].f1; };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return known(a) < known(b); });
  for (const std::size_t i : order) {
    const ClassQuality& one = quality[i];
    table.rows.push_back({{eval.labels[i]},
                          {fmt::format("{}", one.samples)},
                          {percent_of(one.precision)},
                          {percent_of(one.recall)},
                          {percent_of(one.f1)},
                          {one.taken_for ? fmt::format("{} ({})", eval.labels[*one.taken_for],
                                                       eval.confusion[i][*one.taken_for])
                                         : "—"}});
  }
  return table;
}

}  // namespace

std::vector<ClassQuality> class_quality(const std::vector<std::vector<std::int64_t>>& confusion) {
  std::vector<ClassQuality> classes(confusion.size());
  for (std::size_t i = 0; i < confusion.size(); ++i) {
    ClassQuality& one = classes[i];
    std::int64_t predicted = 0;
    for (std::size_t j = 0; j < confusion.size(); ++j) {
      one.samples += confusion[i][j];
      predicted += confusion[j][i];
      if (j != i && confusion[i][j] > (one.taken_for ? confusion[i][*one.taken_for] : 0))
        one.taken_for = j;
    }
    const auto right = static_cast<double>(confusion[i][i]);
    if (predicted > 0) one.precision = right / static_cast<double>(predicted);
    if (one.samples > 0) one.recall = right / static_cast<double>(one.samples);
    if (predicted + one.samples > 0)
      one.f1 = 2 * right / static_cast<double>(predicted + one.samples);
  }
  return classes;
}

const EvalEvent* find_confusion(const RunSummary& run, const std::string& split) {
  const EvalEvent* found = nullptr;
  for (const EvalEvent& eval : run.evals)
    if (!eval.confusion.empty() &&
        (found == nullptr || found->split != split || eval.split == split))
      found = &eval;
  return found;
}

ReportTable confusion_table(const EvalEvent& eval, const std::string& title) {
  return eval.confusion.size() <= most_matrix_classes ? matrix(eval, title)
                                                      : class_list(eval, title);
}

}  // namespace hone
