#include "hone/report/study_page.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "hone/report/numbers.hpp"
#include "hone/report/page_data.hpp"
#include "hone/report/study_tables.hpp"

namespace hone {
namespace {

const char* unit_name(ObjectiveUnit unit) {
  static constexpr const char* names[] = {"plain", "share", "bytes", "seconds", "count"};
  return names[static_cast<int>(unit)];
}

Json rounded_list(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double value : values) list.push_back(rounded(value));
  return list;
}

Json interval_json(const ValueInterval& interval) {
  return interval.is_known() ? Json::array({rounded(interval.low), rounded(interval.high)})
                             : Json();
}

Json trial_data(const StudySummary& study, const StudyTrial& trial) {
  Json intervals = Json::array(), steps = Json::array(), values = Json::array(),
       shown = Json::array();
  for (const ValueInterval& one : trial.intervals) intervals.push_back(interval_json(one));
  for (std::size_t i = 0; i < trial.values.size(); ++i)
    shown.push_back(format_value(study, trial, i));
  for (const auto& [step, value] : trial.intermediate) {
    steps.push_back(step);
    values.push_back(rounded(value));
  }
  static constexpr const char* standings[] = {"", "best", "tied"};
  return {{"number", trial.number},
          {"state", trial.state},
          {"values", rounded_list(trial.values)},
          {"shown", shown},
          {"intervals", intervals},
          {"counts", trial.can_be_best},
          {"parameters", rounded_list(trial.parameters)},
          {"steps", steps},
          {"reported", values},
          {"start", rounded(trial.start)},
          {"end", rounded(trial.end)},
          {"worker", trial.worker},
          {"note", trial.note},
          {"standing", standings[static_cast<int>(trial.standing)]}};
}

Json parameter_data(const StudyParameter& parameter) {
  return {{"name", parameter.name},
          {"integer", parameter.integer},
          {"log", parameter.log},
          {"low", rounded(parameter.low)},
          {"high", rounded(parameter.high)},
          {"choices", parameter.choices}};
}

Json effects_data(const StudyEffects& effects) {
  Json slices = Json::array(), contours = Json::array();
  for (const StudySlice& one : effects.slices)
    slices.push_back({{"parameter", one.parameter},
                      {"at", rounded_list(one.at)},
                      {"mean", rounded_list(one.mean)}});
  for (const StudyContour& one : effects.contours)
    contours.push_back({{"first", one.first},
                        {"second", one.second},
                        {"at_first", rounded_list(one.at_first)},
                        {"at_second", rounded_list(one.at_second)},
                        {"mean", rounded_list(one.mean)}});
  return {{"known", effects.importance.known},
          {"share", rounded_list(effects.importance.share)},
          {"deviation", rounded_list(effects.importance.deviation)},
          {"slices", slices},
          {"contours", contours}};
}

Json study_data(const StudySummary& study) {
  Json objectives = Json::array(), parameters = Json::array(), trials = Json::array(),
       effects = Json::array(), tables = Json::array();
  for (const StudyObjective& one : study.objectives)
    objectives.push_back(
        {{"name", one.name}, {"maximize", one.maximize}, {"unit", unit_name(one.unit)}});
  for (const StudyParameter& one : study.parameters) parameters.push_back(parameter_data(one));
  for (const StudyTrial& one : study.trials) trials.push_back(trial_data(study, one));
  for (const StudyEffects& one : study.effects) effects.push_back(effects_data(one));
  for (const ReportTable& table : {best_table(study), importance_table(study), trials_table(study)})
    if (!table.rows.empty()) tables.push_back(table_data(table));
  return {{"name", study.name},
          {"source", study.source},
          {"finding", describe_studies(std::span(&study, 1))},
          {"states", describe_states(study)},
          {"started", study.started},
          {"judged", study.judged},
          {"objectives", objectives},
          {"parameters", parameters},
          {"order", by_importance(study)},
          {"workers", study.workers},
          {"trials", trials},
          {"effects", effects},
          {"tables", tables}};
}

// What names have in common in front, without a number or a mark at its end.
std::string common_name(const std::vector<const StudySummary*>& members) {
  std::string common = members.front()->name;
  for (const StudySummary* one : members) {
    const auto [end, ignored] =
        std::mismatch(common.begin(), common.end(), one->name.begin(), one->name.end());
    common.erase(end, common.end());
  }
  for (const std::string& tail : {std::string("seed"), std::string()}) {
    while (!common.empty() &&
           std::string_view("-_ .#/([0123456789").find(common.back()) != std::string_view::npos)
      common.pop_back();
    if (!tail.empty() && common.ends_with(tail)) common.erase(common.size() - tail.size());
  }
  return common.empty() ? members.front()->name : common;
}

// The value of a step function of time; NaN before its first step.
double at_time(const std::vector<std::pair<double, double>>& steps, double time) {
  const auto next = std::upper_bound(steps.begin(), steps.end(), time,
                                     [](double a, const auto& step) { return a < step.first; });
  return next == steps.begin() ? not_recorded : (next - 1)->second;
}

// Steps of the mean of several studies, from the lowest of them to the highest. Where nothing
// changes there is no point.
class Steps {
public:
  void add(double x, const std::vector<double>& values, bool is_last) {
    // (Before all have a value the mean of some is not that of all.)
    if (values.empty() || !std::all_of(values.begin(), values.end(),
                                       [](double value) { return std::isfinite(value); }))
      return;
    if (values == before_ && !is_last) return;
    before_ = values;
    double sum = 0;
    for (const double value : values) sum += value;
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    x_.push_back(rounded(x));
    mean_.push_back(rounded(sum / static_cast<double>(values.size())));
    low_.push_back(rounded(*low));
    high_.push_back(rounded(*high));
  }
  Json json() const { return {{"x", x_}, {"mean", mean_}, {"low", low_}, {"high", high_}}; }

private:
  Json x_ = Json::array(), mean_ = Json::array(), low_ = Json::array(), high_ = Json::array();
  std::vector<double> before_;
};

// One curve a study, or a group of studies that differ only in their seeds.
Json curve_data(std::span<const StudySummary> studies,
                const std::vector<const StudySummary*>& members, std::size_t index) {
  std::size_t trials = 0;
  std::vector<double> times{};
  for (const StudySummary* one : members) {
    trials = std::max(trials, one->best_by_trial.size());
    for (const auto& [time, value] : one->best_by_time) times.push_back(time);
  }
  std::sort(times.begin(), times.end());
  times.erase(std::unique(times.begin(), times.end()), times.end());
  Steps by_trial, by_time;
  for (std::size_t i = 0; i < trials; ++i) {
    std::vector<double> values;
    // A study that is shorter keeps what it has come to.
    for (const StudySummary* one : members)
      values.push_back(one->best_by_trial.empty()
                           ? not_recorded
                           : one->best_by_trial[std::min(i, one->best_by_trial.size() - 1)]);
    by_trial.add(static_cast<double>(i + 1), values, i + 1 == trials);
  }
  for (const double time : times) {
    std::vector<double> values;
    for (const StudySummary* one : members) values.push_back(at_time(one->best_by_time, time));
    by_time.add(time, values, time == times.back());
  }
  const bool band = members.size() > 1;
  Json numbers = Json::array();
  for (const StudySummary* one : members) numbers.push_back(one - studies.data());
  return {{"name", band ? fmt::format("{} ({} seeds)", common_name(members), members.size())
                        : members.front()->name},
          {"index", index},
          {"members", numbers},
          {"band", band},
          {"by_trial", by_trial.json()},
          {"by_time", by_time.json()}};
}

Json curves_data(std::span<const StudySummary> studies) {
  std::vector<std::vector<const StudySummary*>> groups;
  std::map<std::string, std::size_t> known;
  for (const StudySummary& study : studies) {
    const auto found = known.find(study.group);
    if (study.group.empty() || found == known.end()) {
      if (!study.group.empty()) known[study.group] = groups.size();
      groups.push_back({&study});
    } else {
      groups[found->second].push_back(&study);
    }
  }
  Json curves = Json::array();
  for (std::size_t i = 0; i < groups.size(); ++i)
    curves.push_back(curve_data(studies, groups[i], i));
  return curves;
}

}  // namespace

Json study_page_data(std::span<const StudySummary> studies) {
  std::string title;
  for (std::size_t i = 0; i < studies.size() && i < 4; ++i)
    title += (i == 0 ? "" : " · ") + studies[i].name;
  if (studies.size() > 4) title = fmt::format("{} and {} more", title, studies.size() - 4);
  Json data{{"title", title},
            {"finding", describe_studies(studies)},
            {"curves", curves_data(studies)},
            {"studies", Json::array()},
            {"table", table_data(studies_table(studies))}};
  for (const StudySummary& study : studies) data["studies"].push_back(study_data(study));
  return data;
}

}  // namespace hone
