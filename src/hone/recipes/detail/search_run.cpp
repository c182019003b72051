#include "hone/recipes/search_run.hpp"

#include <map>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/version.hpp"
#include "hone/recipes/detail/leakage.hpp"
#include "hone/recipes/detail/network_configuration.hpp"
#include "hone/recipes/detail/train_inputs.hpp"
#include "hone/recipes/network_objective.hpp"
#include "hone/recipes/sensitivity_start.hpp"
#include "hone/search/command_objective.hpp"
#include "hone/search/told_space.hpp"

namespace hone {
namespace {

const char* const kept_version = "hone:version";
const char* const kept_names = "study:metric_names";
const char* const kept_contents = "hone:contents";

// Keys of a training by name, but for those that change no result.
std::map<std::string, std::string> deciding(const TextSettings& training) {
  std::map<std::string, std::string> keys(training.begin(), training.end());
  for (const std::string& key : settings_without_effect) keys.erase(key);
  return keys;
}

// What a study's trials are results of.
void check_same(const SearchSettings& kept, const SearchSettings& asked, const std::string& where) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::invalid_argument, fmt::format("{}: {}", where, what),
                "its trials are results of the other; name a new study (--study, or name)");
  };
  for (const Dimension& dimension : asked.worker.space.dimensions()) {
    const Dimension* old = kept.worker.space.find(dimension.name());
    if (old == nullptr)
      refuse(fmt::format("the study began without the parameter '{}'", dimension.name()));
    if (!(old->distribution() == dimension.distribution()))
      refuse(fmt::format("parameter '{}' began as {} and is {} now", dimension.name(),
                         to_optuna(old->distribution()), to_optuna(dimension.distribution())));
  }
  for (const Dimension& dimension : kept.worker.space.dimensions())
    if (asked.worker.space.find(dimension.name()) == nullptr)
      refuse(fmt::format("the study began with the parameter '{}'", dimension.name()));
  if (!(kept.worker.space.to_json() == asked.worker.space.to_json()))
    refuse("the conditions of its parameters have changed");
  if (kept.objectives != asked.objectives) refuse("its objectives were others");
  if (kept.objective_command != asked.objective_command)
    refuse("its objective_command was another");
  if (!(identity_of(kept.nodes) == identity_of(asked.nodes)))
    refuse("its choices of nodes were others");
  if (deciding(kept.training) != deciding(asked.training))
    refuse("the keys of its training were others");
  if (!(identity_of(kept.stages) == identity_of(asked.stages))) refuse("its stages were others");
  if (kept.trains != asked.trains) refuse("'training' was another");
  if (kept.weights != asked.weights) refuse("the weights of its objectives were others");
  if (kept.selection != asked.selection) refuse("its selection was by another split");
}

// The same paths may hold something else by now, or on another machine.
Json check_contents(const SearchSettings& settings, const StudyData& study) {
  SearchContents contents(settings);
  const Json& now = contents.of(configuration_of(settings, {}).settings.data);
  const auto kept = study.user_attributes.find(kept_contents);
  if (kept == study.user_attributes.end()) return now;
  for (const auto& [input, content] : kept->second.items())
    if (now.at(input) != content)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("study '{}': the {} {} changed since it began: '{}' holds something "
                              "else",
                              study.name, input, input == "data" ? "have" : "has",
                              input_of(settings, input)),
                  "its trials are results of the other; name a new study (--study, or name)");
  return now;
}

std::unique_ptr<Objective> objective_of(const SearchSettings& settings, Study& study,
                                        const RunWatcher& watcher) {
  if (settings.is_of_networks()) return network_objective(settings, study, watcher);
  return command_objective(settings.objective_command, settings.folder);
}

bool is_there(const StudyAddress& address) {
  if (address.url.starts_with("memory:")) return false;
  try {
    const auto storage = open_storage({.url = address.url, .read_only = true});
    for (const StudyData& one : storage->studies())
      if (one.name == address.name) return true;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found) throw;
  }
  return false;
}

}  // namespace

OpenStudy open_study(const std::string& text, bool read_only) {
  const StudyAddress address = parse_study_address(text);
  OpenStudy open{address.url};
  open.storage = open_storage({.url = address.url, .read_only = read_only});
  open.study = std::make_unique<Study>(*open.storage, Study::find(*open.storage, address.name));
  return open;
}

SearchSettings settings_of(const StudyData& study) {
  const auto kept = study.user_attributes.find(settings_attribute);
  if (kept == study.user_attributes.end())
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("study '{}' is not one of a search: it does not say what its trials are",
                    study.name),
        "hone search FILE.toml --study STUDY goes on with it");
  const auto kept_by = study.user_attributes.find(kept_version);
  if (kept_by == study.user_attributes.end() || kept_by->second != Json(version))
    throw Error(ErrorCode::unsupported,
                fmt::format("study '{}' was begun by hone {}; this is hone {}", study.name,
                            kept_by == study.user_attributes.end() ? "without a version"
                                                                   : kept_by->second.text(),
                            version),
                "workers of one study are of one version; hone search FILE.toml takes it over");
  return search_from_json(kept->second);
}

Space space_of(const Study& study) {
  return study.data().user_attributes.contains(settings_attribute)
             ? settings_of(study.data()).worker.space
             : told_space(study);
}

WorkerSettings asking_settings(const Study& study) {
  if (study.data().user_attributes.contains(settings_attribute))
    return settings_of(study.data()).worker;
  const Options defaults = complete_options(search_options(), {}, "a study");
  WorkerSettings worker;
  worker.space = told_space(study);
  require_no_conditions(study, worker.space);
  worker.sampler = defaults.text("sampler");
  const Sampler& sampler = find_member(sampler_table(), worker.sampler, "sampler");
  worker.sampler_options = complete_options(sampler.options, {}, sampler.name);
  worker.trials = defaults.integer("trials");
  return worker;
}

void check_search(const SearchSettings& settings) {
  if (settings.is_of_networks() && !is_there(parse_study_address(settings.study)))
    check_dimensions(settings);
}

OpenStudy begin_search(const SearchSettings& settings, const RunWatcher& watcher) {
  const StudyAddress address = parse_study_address(settings.study);
  if (settings.is_of_networks() && settings.selection == "validation" && watcher.say) {
    const NetworkConfiguration configuration = configuration_of(settings, {});
    const Options& values = configuration.settings.values;
    const std::string seen = describe_leakage(
        input_of(settings, "model"),
        {input_of(settings, "data"), values.real_or("validation", default_validation),
         static_cast<std::uint64_t>(values.integer_or("seed", 0))});
    if (!seen.empty()) watcher.say(seen);
    if (!has_test_split(settings, configuration.settings.data))
      watcher.say(input_of(settings, "data") +
                  ": no test split: the best is judged on the validation split alone, which it is "
                  "chosen by (data.test=FILE names one)");
  }
  OpenStudy open{address.url};
  open.storage = open_storage({.url = address.url, .create = true});
  const auto find = [&]() -> std::optional<StudyId> {
    for (const StudyData& one : open.storage->studies())
      if (one.name == address.name) return one.id;
    return std::nullopt;
  };
  std::optional<StudyId> found = find();
  if (!found) {
    // (Data that cannot be read leave no study.)
    if (settings.is_of_networks()) check_contents(settings, {});
    try {
      found = open.storage->create_study(address.name, settings.directions);
    } catch (const Error&) {
      // Another search may have begun it meanwhile.
      found = find();
      if (!found) throw;
    }
  }
  open.study = std::make_unique<Study>(*open.storage, *found);
  const std::string where = fmt::format("{}#{}", open.storage->url(), address.name);
  const StudyData& data = open.study->data();
  if (data.directions != settings.directions)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: the study has other directions", where),
                "name a new study (--study, or name)");
  const auto kept = data.user_attributes.find(settings_attribute);
  if (kept != data.user_attributes.end())
    check_same(search_from_json(kept->second), settings, where);
  Attributes user{{settings_attribute, to_json(settings)}, {kept_version, version}}, system;
  if (!settings.objectives.empty()) system[kept_names] = settings.value_names();
  if (settings.is_of_networks() && open.study->count_finished() < settings.worker.trials)
    user[kept_contents] = check_contents(settings, data);
  open.storage->set_study_attributes(data.id, user, system);
  open.study->refresh_data();
  if (settings.start == "sensitivity") enqueue_by_sensitivity(settings, *open.study, watcher);
  return open;
}

WorkerResult run_worker(OpenStudy& open, const WorkerEvents& events, double timeout,
                        const RunWatcher& watcher) {
  const SearchSettings settings = settings_of(open.study->data());
  if (settings.is_of_networks() && open.study->count_finished() < settings.worker.trials)
    check_contents(settings, open.study->data());
  const std::unique_ptr<Objective> objective = objective_of(settings, *open.study, watcher);
  // (What lives in memory has no other process.)
  const std::unique_ptr<Storage> beats =
      open.address.starts_with("memory:") ? nullptr : open_storage({.url = open.address});
  WorkerSettings worker = settings.worker;
  worker.reuse = settings.reuse;
  worker.timeout = timeout;
  return work(*open.study, beats.get(), *objective, worker, events);
}

Json finish_search(OpenStudy& open, const RunWatcher& watcher) {
  const SearchSettings settings = settings_of(open.study->data());
  open.study->refresh();
  if (!settings.is_of_networks() || open.study->count_finished() < settings.worker.trials)
    return nullptr;
  tidy_models(settings, *open.study, watcher);
  return judge_winners(settings, *open.study, watcher);
}

}  // namespace hone
