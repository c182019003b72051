#include "hone/recipes/study_report.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/recipes/network_metrics.hpp"
#include "hone/recipes/search_settings.hpp"
#include "hone/report/numbers.hpp"
#include "hone/search/columns.hpp"
#include "hone/search/export.hpp"
#include "hone/search/importance.hpp"
#include "hone/search/progress.hpp"
#include "hone/search/worker.hpp"

namespace hone {
namespace {

// Of a page: with more, plots by parameter are those of the most important ones.
constexpr std::size_t most_slices = 12;
constexpr std::size_t most_contour_parameters = 4;
constexpr std::size_t slice_points = 40, contour_points = 24;

using Numbers = std::vector<double>;

double seconds_between(Time from, Time to) {
  return std::chrono::duration<double>(to - from).count();
}

// The settings of a search, or null where the study is another program's.
Json settings_in(const StudyData& study) {
  const auto found = study.user_attributes.find(settings_attribute);
  return found == study.user_attributes.end() || !found->second.is_object() ? Json()
                                                                            : found->second;
}

// All that decides a study but its seeds; "" where that is not known.
std::string group_of(const StudyData& study) {
  Json settings = settings_in(study);
  if (settings.is_null()) return "";
  for (const char* key : {"seed", "place", "folder", "trials", "lease"}) settings.erase(key);
  if (const Json* training = settings.find_member("training"); training != nullptr) {
    Json rest = Json::array();
    for (const Json& pair : *training)
      if (pair[0] != Json("seed")) rest.push_back(pair);
    settings["training"] = rest;
  }
  return settings.dump();
}

std::vector<StudyObjective> objectives_of(const StudyData& study) {
  const Json settings = settings_in(study);
  const Json* command = settings.find_member("objective_command");
  const bool of_networks = command != nullptr && command->empty();
  std::vector<StudyObjective> all;
  for (std::size_t i = 0; i < study.directions.size(); ++i) {
    StudyObjective one{.maximize = study.directions[i] == Direction::maximize};
    one.name = objective_name(study, i);
    // (What another program calls accuracy may be anything.)
    if (of_networks)
      for (const NetworkMetric& metric : network_metrics())
        if (metric.name == one.name) one.unit = metric.unit;
    all.push_back(std::move(one));
  }
  return all;
}

StudyParameter parameter_of(const Dimension& dimension) {
  const Distribution& of = dimension.distribution();
  StudyParameter made{.name = dimension.name(),
                      .integer = of.kind == DistributionKind::integer,
                      .log = of.log,
                      .low = of.low,
                      .high = of.high};
  for (const Json& choice : of.choices) made.choices.push_back(text_of(choice));
  return made;
}

// "HOST/BOOT/NAMESPACE/PID/START/NUMBER": "HOST, process PID".
std::string worker_name(const std::string& owner) {
  const std::vector<std::string> parts = split(owner, '/');
  return parts.size() < 4 ? owner : fmt::format("{}, process {}", parts[0], parts[3]);
}

double attribute(const Trial& trial, const std::string& name) {
  const auto found = trial.user_attributes.find(name);
  return found == trial.user_attributes.end() || !found->second.is_number()
             ? std::numeric_limits<double>::quiet_NaN()
             : found->second.get<double>();
}

std::string note_of(const Trial& trial) {
  std::string note;
  if (const auto error = trial.user_attributes.find(error_attribute);
      error != trial.user_attributes.end())
    note = text_of(error->second);
  const auto reused = trial.user_attributes.find(reused_attribute);
  if (reused == trial.user_attributes.end()) return note;
  return reused->second.is_number() ? fmt::format("results of trial {}", reused->second.dump())
                                    : "results of an equal trial";
}

// Which line of the timeline each trial is in: its worker's; of trials that do not say who computed
// them the first line that is free.
void place_trials(StudySummary& summary, std::span<const Trial> trials) {
  std::map<std::string, std::size_t> workers;
  std::vector<std::pair<std::size_t, double>> lanes;  // line, and until when it is taken
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < trials.size(); ++i)
    if (!std::isnan(summary.trials[i].start)) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return summary.trials[a].start < summary.trials[b].start;
  });
  for (const std::size_t i : order) {
    StudyTrial& trial = summary.trials[i];
    const auto owner = trials[i].system_attributes.find(owner_attribute);
    if (owner != trials[i].system_attributes.end()) {
      const auto [place, is_new] = workers.emplace(owner->second.text(), summary.workers.size());
      if (is_new) summary.workers.push_back(worker_name(owner->second.text()));
      trial.worker = place->second;
      continue;
    }
    auto lane = std::find_if(lanes.begin(), lanes.end(),
                             [&](const auto& one) { return one.second <= trial.start; });
    if (lane == lanes.end()) {
      lanes.emplace_back(summary.workers.size(), 0);
      lane = lanes.end() - 1;
      summary.workers.push_back(fmt::format("lane {}", lanes.size()));
    }
    lane->second = std::isnan(trial.end) ? std::numeric_limits<double>::infinity() : trial.end;
    trial.worker = lane->first;
  }
}

Numbers grid_of(const Dimension& dimension, std::size_t points) {
  const Distribution& of = dimension.distribution();
  Numbers at;
  if (of.kind == DistributionKind::categorical) {
    for (std::size_t i = 0; i < of.choices.size(); ++i) at.push_back(static_cast<double>(i));
    return at;
  }
  if (const auto count = static_cast<std::size_t>(of.count());
      count > 0 && count <= points && of.step > 0) {
    for (std::size_t i = 0; i < count; ++i) at.push_back(of.low + of.step * static_cast<double>(i));
    return at;
  }
  const double low = of.log ? std::log(of.low) : of.low,
               high = of.log ? std::log(of.high) : of.high;
  for (std::size_t i = 0; i < points; ++i) {
    const double value =
        low + (high - low) * static_cast<double>(i) / static_cast<double>(points - 1);
    at.push_back(of.nearest(of.log ? std::exp(value) : value));
  }
  at.erase(std::unique(at.begin(), at.end()), at.end());
  return at;
}

StudyEffects effects_of(const StudySummary& summary, const TrialColumns& columns,
                        std::size_t objective) {
  Numbers values;
  for (const StudyTrial& trial : summary.trials)
    values.push_back(trial.state == "COMPLETE" && objective < trial.values.size()
                         ? trial.values[objective]
                         : std::numeric_limits<double>::quiet_NaN());
  const ObjectiveForest forest(columns, values);
  StudyEffects effects;
  effects.importance.known = forest.is_known();
  if (!forest.is_known()) return effects;
  const std::vector<Importance> found = forest.importances();
  for (const Importance& one : found) {
    effects.importance.share.push_back(one.share);
    effects.importance.deviation.push_back(one.deviation);
  }
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < found.size(); ++i)
    if (columns.space.dimensions()[i].distribution().count() != 1) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return found[a].share > found[b].share; });
  const auto grid = [&](std::size_t parameter, std::size_t points) {
    return grid_of(columns.space.dimensions()[parameter], points);
  };
  for (std::size_t i = 0; i < std::min(order.size(), most_slices); ++i) {
    StudySlice slice{.parameter = order[i], .at = grid(order[i], slice_points)};
    slice.mean = forest.means(order[i], slice.at);
    effects.slices.push_back(std::move(slice));
  }
  for (std::size_t i = 0; i < std::min(order.size(), most_contour_parameters); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      StudyContour contour{.first = order[j],
                           .second = order[i],
                           .at_first = grid(order[j], contour_points),
                           .at_second = grid(order[i], contour_points)};
      contour.mean =
          forest.means(contour.first, contour.at_first, contour.second, contour.at_second);
      effects.contours.push_back(std::move(contour));
    }
  return effects;
}

void add_progress(StudySummary& summary, const std::vector<Trial>& trials,
                  const std::vector<Direction>& directions, const ObjectiveBox& box) {
  std::vector<const Trial*> by_number;
  std::size_t last = 0;  // that ended
  for (const Trial& trial : trials) {
    by_number.push_back(&trial);
    if (trial.is_finished()) last = by_number.size();
  }
  by_number.resize(last);
  summary.best_by_trial = best_so_far(by_number, directions, box);
  std::vector<const Trial*> by_time;
  for (const Trial* trial : by_number)
    if (trial->is_finished() && trial->complete) by_time.push_back(trial);
  std::stable_sort(by_time.begin(), by_time.end(),
                   [](const Trial* a, const Trial* b) { return *a->complete < *b->complete; });
  const std::vector<double> values = best_so_far(by_time, directions, box);
  for (std::size_t i = 0; i < by_time.size(); ++i)
    summary.best_by_time.emplace_back(
        summary.trials[static_cast<std::size_t>(by_time[i]->number)].end, values[i]);
}

std::string judged_text(const StudyData& study) {
  const auto found = study.user_attributes.find(test_attribute);
  if (found == study.user_attributes.end() || !found->second.is_array()) return "";
  std::string text;
  for (const Json& one : found->second)
    text += fmt::format("{}trial {}: accuracy {}", text.empty() ? "" : "; ",
                        one.at("trial").get<std::int64_t>(),
                        format_interval(one.at("accuracy").get<double>(),
                                        one.at("low").get<double>(), one.at("high").get<double>()));
  return text;
}

StudySummary summarize(const OpenStudy& open, const ObjectiveBox& box) {
  const Study& study = *open.study;
  const StudyData& data = study.data();
  const std::vector<Trial>& trials = study.trials();
  StudySummary summary{.name = data.name,
                       .source = open.storage->url() + "#" + data.name,
                       .group = group_of(data),
                       .objectives = objectives_of(data)};
  const TrialColumns columns = columns_of(trials);
  for (const Dimension& dimension : columns.space.dimensions())
    summary.parameters.push_back(parameter_of(dimension));
  std::optional<Time> first;
  for (const Trial& trial : trials)
    if (trial.start && (!first || *trial.start < *first)) first = trial.start;
  if (first)
    summary.started = fmt::format("{:%Y-%m-%d %H:%M} UTC",
                                  fmt::gmtime(std::chrono::system_clock::to_time_t(
                                      std::chrono::time_point_cast<std::chrono::seconds>(*first))));
  for (const Trial& trial : trials) {
    StudyTrial& made = summary.trials.emplace_back();
    made.number = trial.number;
    made.state = to_string(trial.state);
    made.values = trial.values;
    for (std::size_t i = 0; i < trial.values.size(); ++i) {
      const std::string name = i < summary.objectives.size() ? summary.objectives[i].name : "";
      // (That of a pruned trial would be of a value it did not come to.)
      made.intervals.emplace_back();
      if (trial.state == TrialState::complete)
        made.intervals.back() = {attribute(trial, name + "_low"), attribute(trial, name + "_high")};
    }
    made.can_be_best = can_be_best(trial, data.directions);
    for (const std::vector<double>& column : columns.values)
      made.parameters.push_back(column[static_cast<std::size_t>(trial.number)]);
    made.intermediate.assign(trial.intermediate.begin(), trial.intermediate.end());
    if (trial.start) made.start = seconds_between(*first, *trial.start);
    if (first && trial.complete) made.end = seconds_between(*first, *trial.complete);
    made.note = note_of(trial);
  }
  summary.finished = study.count_finished();
  place_trials(summary, trials);
  add_progress(summary, trials, data.directions, box);
  for (std::size_t i = 0; i < summary.objectives.size(); ++i)
    summary.effects.push_back(effects_of(summary, columns, i));
  mark_standings(summary, study.best());
  summary.judged = judged_text(data);
  return summary;
}

// Where names are equal, the place is said; where that is equal too, they are numbered.
void tell_apart(std::vector<StudySummary>& summaries) {
  std::map<std::string, int> names, places;
  for (const StudySummary& one : summaries) ++names[one.name];
  for (StudySummary& one : summaries)
    if (names[one.name] > 1) one.name = one.source;
  for (StudySummary& one : summaries)
    if (const int before = places[one.name]++; before > 0)
      one.name += fmt::format(" ({})", before + 1);
}

}  // namespace

std::vector<OpenStudy> open_studies(const std::string& text) {
  const StudyAddress address = parse_study_address(text);
  std::vector<OpenStudy> all;
  if (!address.name.empty()) {
    all.push_back(open_study(text, true));
    return all;
  }
  const auto storage = open_storage({.url = address.url, .read_only = true});
  for (const StudyData& data : storage->studies()) {
    OpenStudy& open = all.emplace_back(OpenStudy{address.url});
    open.storage = open_storage({.url = address.url, .read_only = true});
    open.study = std::make_unique<Study>(*open.storage, data.id);
  }
  if (all.empty())
    throw Error(ErrorCode::not_found, fmt::format("{}: holds no study", storage->url()));
  return all;
}

std::vector<StudySummary> summarize_studies(const std::vector<OpenStudy>& studies) {
  // Studies with the same objectives are measured in one box.
  std::map<std::string, std::vector<const Trial*>> together;
  const auto key_of = [](const Study& study) {
    std::string key;
    for (std::size_t i = 0; i < study.data().directions.size(); ++i)
      key +=
          objectives_of(study.data())[i].name + "\n" + to_string(study.data().directions[i]) + "\n";
    return key;
  };
  for (const OpenStudy& open : studies) {
    std::vector<const Trial*>& all = together[key_of(*open.study)];
    for (const Trial& trial : open.study->trials()) all.push_back(&trial);
  }
  std::vector<StudySummary> summaries;
  for (const OpenStudy& open : studies)
    summaries.push_back(
        summarize(open, box_of(together[key_of(*open.study)], open.study->data().directions)));
  tell_apart(summaries);
  return summaries;
}

}  // namespace hone
