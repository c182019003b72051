#include "hone/search/replay.hpp"

#include <algorithm>
#include <set>

namespace hone {
namespace {

std::set<std::int64_t> numbers_of(const Json& note, const char* key) {
  std::set<std::int64_t> numbers;
  if (const Json* list = note.find_member(key))
    for (const Json& number : *list) numbers.insert(number.get<std::int64_t>());
  return numbers;
}

// A trial as it was while it ran.
Trial while_it_ran(Trial trial) {
  trial.state = TrialState::running;
  trial.values.clear();
  trial.intermediate.clear();
  trial.complete.reset();
  return trial;
}

std::string text_of(const Space& space, const std::string& name, const Assignment& values) {
  const auto value = values.find(name);
  const Dimension* dimension = space.find(name);
  if (value == values.end() || dimension == nullptr) return "";
  return dimension->distribution().value_of(value->second).dump();
}

}  // namespace

Replay replay(const std::vector<Direction>& directions, const std::vector<Trial>& trials,
              const ReplaySettings& settings) {
  Replay result;
  for (const Trial& trial : trials) {
    if (trial.state == TrialState::waiting || trial.parameters.empty()) continue;
    std::int64_t known = trial.number, drawn = trial.number;
    std::set<std::int64_t> running, waiting;
    if (const auto note = trial.system_attributes.find(sampled_attribute);
        note != trial.system_attributes.end()) {
      known = note->second.at("known").get<std::int64_t>();
      drawn = note->second.at("number").get<std::int64_t>();
      running = numbers_of(note->second, "running");
      waiting = numbers_of(note->second, "waiting");
    }
    std::vector<Trial> before;
    for (const Trial& other : trials) {
      if (other.number >= known || other.number == trial.number || waiting.contains(other.number))
        continue;
      before.push_back(running.contains(other.number) ? while_it_ran(other) : other);
    }
    const Sample sample =
        settings.sampling.sample({settings.space, directions, before, drawn, settings.seed,
                                  fixed_of(trial, settings.space), settings.budget});
    ++result.trials;
    const Assignment kept = trial.assignment();
    std::set<std::string> names;
    for (const auto& [name, value] : kept) names.insert(name);
    for (const auto& [name, value] : sample.values) names.insert(name);
    for (const std::string& name : names) {
      const auto a = kept.find(name), b = sample.values.find(name);
      if (a != kept.end() && b != sample.values.end() && a->second == b->second) continue;
      result.differences.push_back({trial.number, name, text_of(settings.space, name, kept),
                                    text_of(settings.space, name, sample.values)});
    }
  }
  return result;
}

}  // namespace hone
