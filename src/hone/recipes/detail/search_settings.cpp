#include "hone/recipes/search_settings.hpp"

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/recipes/network_metrics.hpp"

namespace hone {
namespace {

Json to_json(const Options& options) {
  Json json = Json::object();
  for (const auto& [name, value] : options.values())
    std::visit([&, &key = name](const auto& typed) { json[key] = typed; }, value);
  return json;
}

Options options_from_json(const Json& json) {
  Options options;
  for (const auto& [name, value] : json.items()) {
    if (value.is_boolean())
      options.set(name, value.get<bool>());
    else if (value.is_number_integer())
      options.set(name, value.get<std::int64_t>());
    else if (value.is_number())
      options.set(name, value.get<double>());
    else
      options.set(name, value.text());
  }
  return options;
}

}  // namespace

std::vector<std::string> SearchSettings::value_names() const {
  if (weights.empty()) return objectives;
  std::string sum;
  for (std::size_t i = 0; i < objectives.size(); ++i) {
    const bool more =
        find_network_metric(objectives[i], "weights").direction == Direction::maximize;
    if (i > 0)
      sum += more ? " + " : " - ";
    else if (!more)
      sum += "-";
    if (weights[i] != 1) sum += fmt::format("{:g} ", weights[i]);
    sum += objectives[i];
  }
  return {sum};
}

Json to_json(const SearchSettings& settings) {
  Json training = Json::array();
  for (const auto& [key, value] : settings.training) training.push_back(Json::array({key, value}));
  const WorkerSettings& worker = settings.worker;
  return {{"objectives", settings.objectives},
          {"objective_command", settings.objective_command},
          {"folder", settings.folder},
          {"place", settings.place},
          {"nodes", to_json(settings.nodes)},
          {"reuse", settings.reuse},
          {"stages", to_json(settings.stages)},
          {"trains", settings.trains},
          {"weights", settings.weights},
          {"measure", settings.measured},
          {"selection", settings.selection},
          {"keep_models", settings.keep},
          {"start", settings.start},
          {"training", training},
          {"space", worker.space.to_json()},
          {"sampler", worker.sampler},
          {"sampler_options", to_json(worker.sampler_options)},
          {"stopper", worker.stopper},
          {"stopper_options", to_json(worker.stopper_options)},
          {"seed", worker.seed},
          {"trials", worker.trials},
          {"lease", worker.lease}};
}

SearchSettings search_from_json(const Json& json) {
  SearchSettings settings;
  settings.objectives = json.at("objectives").get<std::vector<std::string>>();
  settings.objective_command = json.at("objective_command").get<std::vector<std::string>>();
  settings.folder = json.at("folder").text();
  settings.place = json.at("place").text();
  settings.nodes = node_choices_from_json(json.at("nodes"));
  settings.reuse = json.at("reuse").get<bool>();
  settings.stages = search_stages_from_json(json.at("stages"));
  settings.trains = json.at("trains").get<bool>();
  settings.weights = json.at("weights").get<std::vector<double>>();
  settings.measured = json.at("measure").get<std::vector<std::string>>();
  settings.selection = json.at("selection").text();
  settings.keep = json.at("keep_models").text();
  settings.start = json.at("start").text();
  for (const Json& pair : json.at("training"))
    settings.training.emplace_back(pair[0].text(), pair[1].text());
  WorkerSettings& worker = settings.worker;
  worker.space = Space::from_json(json.at("space"));
  worker.sampler = json.at("sampler").text();
  worker.sampler_options = options_from_json(json.at("sampler_options"));
  worker.stopper = json.at("stopper").text();
  worker.stopper_options = options_from_json(json.at("stopper_options"));
  worker.seed = json.at("seed").get<std::uint64_t>();
  worker.trials = json.at("trials").get<std::int64_t>();
  worker.lease = json.at("lease").get<double>();
  return settings;
}

}  // namespace hone
