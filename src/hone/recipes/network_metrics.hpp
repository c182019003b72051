// What a network of a search can be judged by.
#pragma once

#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/model/model.hpp"
#include "hone/report/study_summary.hpp"
#include "hone/search/trial.hpp"
#include "hone/train/evaluate.hpp"

namespace hone {

// A text, for what depends on how long it is.
inline constexpr std::int64_t tokens_of_metrics = 128;

// A figure, with its 95 % interval, or for a measured time the 10th and the 90th percentile; both
// NaN where it has none.
struct MeasuredFigure {
  double value = 0;
  double low = not_recorded, high = not_recorded;
};

struct NetworkMetric {
  const char* name;
  Direction direction;  // that is better
  ObjectiveUnit unit;
  const char* help;
  // Of a model as it is stored, and what it came to on the validation split.
  MeasuredFigure (*measure)(const Model& stored, const Evaluation& evaluation);
  bool always = true;  // false: only where it is asked for, since measuring takes time
};
const std::vector<NetworkMetric>& network_metrics();
// Throws Error(invalid_argument) beginning with `where` and naming the nearest.
const NetworkMetric& find_network_metric(const std::string& name, const std::string& where);

// Stored bits for each number of the linear nodes, on average.
double bits_per_number(const Model& model);

}  // namespace hone
