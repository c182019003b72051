#include "hone/report/study_summary.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "hone/report/numbers.hpp"

namespace hone {
namespace {

std::string plural(std::size_t count, const std::string& what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

bool overlap(const ValueInterval& a, const ValueInterval& b) {
  return a.is_known() && b.is_known() && a.low <= b.high && b.low <= a.high;
}

bool comparable(std::span<const StudySummary> studies) {
  return std::all_of(studies.begin(), studies.end(), [&](const StudySummary& study) {
    return study.objectives.size() == 1 && studies[0].objectives.size() == 1 &&
           study.objectives[0].name == studies[0].objectives[0].name &&
           study.objectives[0].maximize == studies[0].objectives[0].maximize;
  });
}

std::string describe_one(const StudySummary& study) {
  const std::vector<const StudyTrial*> best = best_trials(study);
  if (best.empty())
    return study.trials.empty()
               ? "no trial has begun yet"
               : fmt::format("no trial is complete yet ({})", describe_states(study));
  if (study.objectives.size() > 1) {
    std::string names;
    for (const StudyObjective& one : study.objectives)
      names += (names.empty() ? "" : " and ") + one.name;
    return fmt::format("{} of {} on the Pareto front of {}", best.size(),
                       plural(study.trials.size(), "trial"), names);
  }
  std::string text =
      fmt::format("{} {}: trial {} of {}", study.objectives[0].name,
                  format_value(study, *best[0], 0), best[0]->number, study.trials.size());
  if (const std::size_t tied = count_tied(study); tied > 0)
    text += fmt::format("; {} within noise of it", plural(tied, "trial"));
  return text;
}

}  // namespace

std::string format_objective(const StudyObjective& objective, double value) {
  switch (objective.unit) {
    case ObjectiveUnit::share: return format_percent(value);
    case ObjectiveUnit::bytes: return format_bytes(value);
    case ObjectiveUnit::seconds: return format_duration(value);
    case ObjectiveUnit::count: return format_count(value);
    case ObjectiveUnit::plain: break;
  }
  return format_significant(value, 5);
}

std::string StudyParameter::format(double internal) const {
  if (std::isnan(internal)) return "";
  if (!choices.empty()) return choices.at(static_cast<std::size_t>(internal));
  return integer ? fmt::format("{:.0f}", internal) : format_significant(internal, 4);
}

void mark_standings(StudySummary& study, const std::vector<std::int64_t>& best) {
  for (const std::int64_t number : best)
    study.trials.at(static_cast<std::size_t>(number)).standing = TrialStanding::best;
  if (study.objectives.size() != 1 || best.size() != 1) return;
  const ValueInterval of_best = study.trials[static_cast<std::size_t>(best[0])].intervals.at(0);
  for (StudyTrial& trial : study.trials)
    if (trial.standing == TrialStanding::ordinary && trial.can_be_best &&
        overlap(trial.intervals.at(0), of_best))
      trial.standing = TrialStanding::tied;
}

std::size_t count_tied(const StudySummary& study) {
  return static_cast<std::size_t>(
      std::count_if(study.trials.begin(), study.trials.end(),
                    [](const StudyTrial& trial) { return trial.standing == TrialStanding::tied; }));
}

std::vector<const StudyTrial*> best_trials(const StudySummary& study) {
  std::vector<const StudyTrial*> found;
  for (const StudyTrial& trial : study.trials)
    if (trial.standing == TrialStanding::best) found.push_back(&trial);
  return found;
}

std::string format_value(const StudySummary& study, const StudyTrial& trial,
                         std::size_t objective) {
  if (objective >= trial.values.size()) return "";
  const StudyObjective& of = study.objectives[objective];
  const double value = trial.values[objective];
  const ValueInterval interval = trial.intervals[objective];
  if (!interval.is_known()) return format_objective(of, value);
  if (of.unit == ObjectiveUnit::share) return format_interval(value, interval.low, interval.high);
  return fmt::format("{} ({} to {})", format_objective(of, value),
                     format_objective(of, interval.low), format_objective(of, interval.high));
}

std::string describe_states(const StudySummary& study) {
  std::string text;
  for (const char* state : {"COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING"}) {
    const auto count = std::count_if(study.trials.begin(), study.trials.end(),
                                     [&](const StudyTrial& trial) { return trial.state == state; });
    if (count == 0) continue;
    std::string name = state;
    for (char& c : name) c = static_cast<char>(c - 'A' + 'a');
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, name);
  }
  return text;
}

std::string describe_studies(std::span<const StudySummary> studies) {
  if (studies.size() == 1) return describe_one(studies[0]);
  const StudySummary* first = nullptr;
  const auto value_of = [](const StudySummary& study) { return best_trials(study)[0]->values[0]; };
  if (comparable(studies))
    for (const StudySummary& study : studies)
      if (!best_trials(study).empty() &&
          (first == nullptr || (study.objectives[0].maximize ? value_of(study) > value_of(*first)
                                                             : value_of(study) < value_of(*first))))
        first = &study;
  std::size_t trials = 0;
  for (const StudySummary& study : studies) trials += study.trials.size();
  if (first == nullptr)
    return fmt::format("{} studies with {}", studies.size(), plural(trials, "trial"));
  const StudyTrial& best = *best_trials(*first)[0];
  std::string text = fmt::format("best of {} studies: {} with {} {}", studies.size(), first->name,
                                 first->objectives[0].name, format_value(*first, best, 0));
  std::vector<std::string> tied;
  for (const StudySummary& study : studies)
    if (&study != first && !best_trials(study).empty() &&
        overlap(best_trials(study)[0]->intervals[0], best.intervals[0]))
      tied.push_back(study.name);
  if (tied.size() > 4) return text + fmt::format("; {} others within noise of it", tied.size());
  for (std::size_t i = 0; i < tied.size(); ++i)
    text += (i == 0 ? "; within noise of it: " : ", ") + tied[i];
  return text;
}

std::vector<std::size_t> by_importance(const StudySummary& study) {
  std::vector<std::size_t> order(study.parameters.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto largest = [&](std::size_t parameter) {
    double share = 0;
    for (const StudyEffects& one : study.effects)
      if (one.importance.known) share = std::max(share, one.importance.share[parameter]);
    return share;
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return largest(a) > largest(b); });
  return order;
}

}  // namespace hone
