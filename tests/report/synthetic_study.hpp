// Studies as reports get them, made up.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "hone/report/study_summary.hpp"

namespace hone_test {

// Complete trials of these accuracies, `half` of an interval (0: none), and of these bytes where
// there are any; three parameters; effects made up.
inline hone::StudySummary synthetic_study(const std::vector<double>& accuracies, double half,
                                          const std::vector<int>& bytes = {}) {
  using namespace hone;
  StudySummary study{.name = "made up", .source = "sqlite:s.db#made up"};
  study.objectives = {{.name = "accuracy", .maximize = true, .unit = ObjectiveUnit::share}};
  if (!bytes.empty()) study.objectives.push_back({.name = "bytes", .unit = ObjectiveUnit::bytes});
  study.parameters = {{.name = "lr", .log = true, .low = 1e-5, .high = 1e-1},
                      {.name = "kind", .choices = {"narrow", "wide"}},
                      {.name = "layers", .integer = true, .low = 1, .high = 12}};
  study.workers = {"here, process 7", "here, process 8"};
  for (std::size_t i = 0; i < accuracies.size(); ++i) {
    StudyTrial trial{.number = static_cast<std::int64_t>(i), .state = "COMPLETE"};
    const double value = accuracies[i];
    trial.values = {value};
    trial.intervals.emplace_back();
    if (half > 0) trial.intervals[0] = {value - half, value + half};
    if (!bytes.empty()) {
      trial.values.push_back(bytes[i]);
      trial.intervals.emplace_back();
    }
    trial.can_be_best = true;
    trial.parameters = {std::pow(10.0, -5 + static_cast<double>(i % 5)), static_cast<double>(i % 2),
                        static_cast<double>(1 + i % 12)};
    trial.intermediate = {{100, value / 2}, {200, value}};
    trial.start = static_cast<double>(i);
    trial.end = trial.start + 1.5;
    trial.worker = i % 2;
    study.trials.push_back(trial);
    study.best_by_trial.push_back(i == 0 ? value : std::max(study.best_by_trial.back(), value));
    study.best_by_time.emplace_back(trial.end, study.best_by_trial.back());
  }
  study.finished = static_cast<std::int64_t>(accuracies.size());
  for (std::size_t i = 0; i < study.objectives.size(); ++i) {
    StudyEffects effects;
    effects.importance = {true, {0.6, 0.3, 0.05}, {0.1, 0.1, 0.01}};
    effects.slices = {{0, {1e-5, 1e-3, 1e-1}, {0.7, 0.8, 0.75}},
                      {1, {0, 1}, {0.7, 0.8}},
                      {2, {1, 6, 12}, {0.7, 0.8, 0.75}}};
    effects.contours = {
        {0, 1, {1e-5, 1e-3, 1e-1}, {0, 1}, {0.7, 0.8, 0.75, 0.7, 0.8, 0.75}},
        {0, 2, {1e-5, 1e-4, 1e-3, 1e-1}, {1, 4, 8, 12}, std::vector<double>(16, 0.75)}};
    if (accuracies.size() < 2) effects = {};
    study.effects.push_back(effects);
  }
  return study;
}

}  // namespace hone_test
