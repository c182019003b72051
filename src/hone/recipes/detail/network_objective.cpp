#include "hone/recipes/network_objective.hpp"

#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/recipes/detail/network_points.hpp"
#include "hone/recipes/network_metrics.hpp"
#include "hone/recipes/network_space.hpp"
#include "hone/search/worker.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

const char* const point_attribute = "hone:point";

std::string point_of(const Trial& trial) {
  const auto found = trial.user_attributes.find(point_attribute);
  return found == trial.user_attributes.end() ? "" : found->second.text();
}

// The values that the study optimizes, of what a point came to.
std::vector<double> values_of_point(const SearchSettings& settings, const Json& metrics) {
  std::vector<double> values;
  for (const std::string& objective : settings.objectives)
    values.push_back(metrics.at(objective).get<double>());
  if (settings.weights.empty()) return values;
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Direction better = find_network_metric(settings.objectives[i], "weights").direction;
    sum += (better == Direction::maximize ? 1 : -1) * settings.weights[i] * values[i];
  }
  return {sum};
}

class NetworkObjective : public Objective {
public:
  NetworkObjective(const SearchSettings& settings, Study& study, const RunWatcher& watcher)
      : settings_(settings), study_(study), watcher_(watcher), points_(settings_, watcher) {
    for (const Dimension& dimension : settings_.worker.space.dimensions()) {
      const bool of_stage = find_search_stage(settings_.stages, dimension.name()) != nullptr;
      has_stage_parameters_ |= of_stage;
      names_things_ |= of_stage || dimension.name().starts_with("data.");
    }
  }

  Telling compute(const Trial& trial, TrialWatcher& watcher) override {
    Telling telling;
    try {
      const NetworkConfiguration configuration =
          configuration_of(settings_, values_of(settings_.worker.space, trial.assignment()));
      const std::string name = points_.name_of(configuration);
      telling.user_attributes[point_attribute] = name;
      const std::optional<NetworkPoints::Point> point = points_.take(configuration, watcher);
      if (!point) {
        telling.state = TrialState::pruned;
        return telling;
      }
      if (point->was_there) {
        telling.user_attributes[reused_attribute] = whose(name);
        if (watcher_.say)
          watcher_.say(fmt::format("trial {}: computed before: {}", trial.number, name));
      }
      const Json& metrics = point->result.at("metrics");
      telling.values = values_of_point(settings_, metrics);
      for (const auto& [key, value] : metrics.items()) telling.user_attributes[key] = value;
      for (const auto& [key, value] : point->result.at("intervals").items()) {
        telling.user_attributes[key + "_low"] = value[0];
        telling.user_attributes[key + "_high"] = value[1];
      }
      if (settings_.keep == "best") {
        drop_models({name});
        if (!configuration.stages.empty() && !has_stage_parameters_)
          drop_unless_best({points_.name_of(configuration.before_stages())});
      }
    } catch (const Error& error) {
      if (!is_of_its_values(error.code())) throw;
      telling.state = TrialState::fail;
      telling.values.clear();
      telling.user_attributes[error_attribute] = error.message();
      if (const auto point = telling.user_attributes.find(point_attribute);
          point != telling.user_attributes.end())
        points_.drop_rest(point->second.text());
    }
    return telling;
  }

  // When no more trials are missing: what trials shared goes too.
  void tidy() {
    if (settings_.keep != "best") return;
    std::set<std::string> shared;
    for (const Trial& trial : study_.trials()) {
      if (!trial.is_finished() || trial.state == TrialState::fail || settings_.stages.empty())
        continue;
      shared.insert(points_.name_of(
          configuration_of(settings_, values_of(settings_.worker.space, trial.assignment()))
              .before_stages()));
    }
    drop_models({});
    drop_unless_best(shared);
  }

private:
  // The trial that computed a point; the point itself where that was one of another study.
  Json whose(const std::string& point) {
    study_.refresh();
    for (const Trial& trial : study_.trials())
      if (trial.is_finished() && point_of(trial) == point) return trial.number;
    return point;
  }

  // What a trial's own values bring about: a loss that is not finite, say, or a column that the
  // data do not have where the column is chosen. The same would end every worker.
  bool is_of_its_values(ErrorCode code) const {
    if (code == ErrorCode::not_found || code == ErrorCode::bad_format) return names_things_;
    return code == ErrorCode::numeric || code == ErrorCode::invalid_argument ||
           code == ErrorCode::unsupported;
  }

  // Only the best models are kept, and `kept`.
  void drop_models(std::set<std::string> kept) {
    study_.refresh();
    std::set<std::string> others;
    for (const std::int64_t number : study_.best())
      kept.insert(point_of(study_.trials().at(static_cast<std::size_t>(number))));
    for (const Trial& trial : study_.trials()) {
      const std::string point = point_of(trial);
      if (trial.is_finished() && !point.empty() && !kept.contains(point) &&
          fs::exists(points_.folder_of(point) / "model"))
        others.insert(point);
    }
    drop_unless_best(others);
  }

  // What another study of the same points has among its best stays.
  void drop_unless_best(std::set<std::string> points) {
    if (points.empty()) return;
    Storage& storage = study_.storage();
    for (const StudyData& data : storage.studies()) {
      const auto kept = data.user_attributes.find(settings_attribute);
      if (data.id == study_.data().id || kept == data.user_attributes.end() ||
          kept->second.at("place") != Json(settings_.place))
        continue;
      Study other(storage, data.id);
      other.refresh();
      for (const std::int64_t number : other.best())
        points.erase(point_of(other.trials().at(static_cast<std::size_t>(number))));
    }
    // Winners of studies that are kept elsewhere stay too.
    std::set<std::string> own;
    if (const auto judged = study_.data().user_attributes.find(test_attribute);
        judged != study_.data().user_attributes.end())
      for (const Json& one : judged->second.elements())
        own.insert(point_of(study_.trials().at(one.at("trial").get<std::size_t>())));
    for (const std::string& point : points)
      if (!points_.is_judged(point) || own.contains(point)) points_.drop_model(point);
  }

  SearchSettings settings_;
  Study& study_;
  const RunWatcher& watcher_;
  NetworkPoints points_;
  bool has_stage_parameters_ = false;  // then trials begin with what others trained
  bool names_things_ = false;          // values may name files and columns
};

// Of trials that no stopper stops.
class Unstopped : public TrialWatcher {
public:
  explicit Unstopped(const RunWatcher& watcher) : watcher_(watcher) {}
  bool report(std::int64_t, double) override { return false; }
  void check() override {
    if (watcher_.stop && watcher_.stop()) throw Error(ErrorCode::interrupted, "stopped");
  }

private:
  const RunWatcher& watcher_;
};

}  // namespace

Space network_space(const SearchSettings& settings) {
  const std::string model = input_of(settings, "model");
  for (const char* key : {"model", "data"})
    if (input_of(settings, key).empty())
      throw Error(ErrorCode::invalid_argument, fmt::format("a search needs the key '{}'", key),
                  "or an objective_command");
  if (!settings.trains && !fs::is_directory(model))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("training = false: '{}' is no folder of a trained model", model),
                "give the folder of a trained model");
  std::vector<Dimension> all = settings.worker.space.dimensions();
  std::vector<Dimension> sizes;
  std::vector<SearchStage> stages = settings.stages;
  for (const Dimension& dimension : all) {
    if (is_training_parameter(dimension.name()) || find_search_stage(stages, dimension.name()))
      continue;
    sizes.push_back({dimension.parameter});
  }
  const Space size_space(sizes);
  const auto graph_of = [&](const Assignment& values) {
    const NetworkConfiguration configuration =
        configuration_of(settings, values_of(size_space, values));
    if (!configuration.nodes.empty())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("parameter '{}' belongs to no stage: none is called '{}'",
                              configuration.nodes.begin()->first,
                              configuration.nodes.begin()->first.substr(
                                  0, configuration.nodes.begin()->first.find('.'))),
                  "a parameter of nodes stands in [[space.nodes]]");
    return source_graph(model, configuration.settings.model);
  };
  // (Names that are no sizes are refused here, with the nearest that are.)
  for (const Dimension& size : sizes)
    graph_of({{size.name(), size.distribution().kind == DistributionKind::categorical
                                ? 0
                                : size.distribution().low}});
  for (Dimension& dimension : expand_node_choices(settings.nodes, sizes, graph_of))
    all.push_back(std::move(dimension));
  return Space(std::move(all));
}

std::unique_ptr<Objective> network_objective(const SearchSettings& settings, Study& study,
                                             const RunWatcher& watcher) {
  return std::make_unique<NetworkObjective>(settings, study, watcher);
}

bool has_test_split(const SearchSettings& settings, const TextSettings& data) {
  return splits_of(make_data_request(input_of(settings, "data"), data)).size() > 1;
}

void tidy_models(const SearchSettings& settings, Study& study, const RunWatcher& watcher) {
  study.refresh();
  NetworkObjective(settings, study, watcher).tidy();
}

Json judge_winners(const SearchSettings& settings, Study& study, const RunWatcher& watcher) {
  study.refresh();
  study.refresh_data();
  // Selected on the test split: it says nothing more.
  if (settings.selection == "test") return nullptr;
  const auto before = study.data().user_attributes.find(test_attribute);
  Json judged = before == study.data().user_attributes.end() ? Json::array() : before->second;
  const NetworkPoints points(settings, watcher);
  Unstopped unstopped(watcher);
  bool added = false;
  for (const std::int64_t number : study.best()) {
    bool is_there = false;
    for (const Json& one : judged) is_there = is_there || one.at("trial") == Json(number);
    if (is_there) continue;
    const Trial& trial = study.trials().at(static_cast<std::size_t>(number));
    const NetworkConfiguration configuration =
        configuration_of(settings, values_of(settings.worker.space, trial.assignment()));
    if (!has_test_split(settings, configuration.settings.data)) continue;
    Json result = points.judge(point_of(trial), configuration, unstopped);
    result["trial"] = number;
    judged.push_back(std::move(result));
    added = true;
  }
  if (judged.empty()) return nullptr;
  if (added) study.storage().set_study_attributes(study.data().id, {{test_attribute, judged}}, {});
  return judged;
}

}  // namespace hone
