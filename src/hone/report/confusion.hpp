// Which classes a model takes for which, and how well it knows each.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hone/report/summary.hpp"
#include "hone/report/tables.hpp"

namespace hone {

// Of more classes a matrix would not be read: a row a class, the weakest first.
inline constexpr std::size_t most_matrix_classes = 12;

// From a matrix [true][predicted]. NaN where nothing was predicted, or nothing is of the class.
struct ClassQuality {
  std::int64_t samples = 0;
  double precision = not_recorded;
  double recall = not_recorded;
  double f1 = not_recorded;
  // The other class it is taken for most often; none when it never is.
  std::optional<std::size_t> taken_for;
};
std::vector<ClassQuality> class_quality(const std::vector<std::vector<std::int64_t>>& confusion);

// The last evaluation with a matrix, on `split` if there is one; null: none has one.
const EvalEvent* find_confusion(const RunSummary& run, const std::string& split);
// Id "confusion" (a matrix) or "classes".
ReportTable confusion_table(const EvalEvent& eval, const std::string& title);

}  // namespace hone
