#include "hone/search/study.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/search/detail/pareto.hpp"
#include "hone/search/owner.hpp"

namespace hone {
namespace {

bool has_begun(const Trial& trial) { return trial.state != TrialState::waiting; }

std::vector<TrialParameter> parameters_of(const Space& space, const Assignment& values) {
  std::vector<TrialParameter> parameters;
  for (const Dimension& dimension : space.dimensions())
    if (const auto value = values.find(dimension.name()); value != values.end())
      parameters.push_back({dimension.parameter, value->second});
  return parameters;
}

// What the sampler knew of `all`; nothing where it is what anyone would think.
void note_sampling(const std::vector<Trial>& all, std::int64_t number, std::int64_t drawn,
                   Attributes& attributes) {
  Json running = Json::array(), waiting = Json::array();
  for (const Trial& trial : all) {
    if (trial.number == number) continue;
    if (trial.state == TrialState::running) running.push_back(trial.number);
    if (trial.state == TrialState::waiting && trial.number < number)
      waiting.push_back(trial.number);
  }
  std::int64_t count = 0;
  for (const Trial& trial : all)
    if (has_begun(trial)) count = std::max(count, trial.number + 1);
  if (running.empty() && waiting.empty() && count == number && drawn == number) return;
  attributes[sampled_attribute] = {{"known", count}, {"number", drawn}, {"running", running}};
  if (!waiting.empty()) attributes[sampled_attribute]["waiting"] = waiting;
}

}  // namespace

Assignment fixed_of(const Trial& trial, const Space& space) {
  Assignment fixed;
  const auto given = trial.system_attributes.find(fixed_attribute);
  if (given == trial.system_attributes.end()) return fixed;
  for (const auto& [name, value] : given->second.items())
    if (const Dimension* dimension = space.find(name))
      fixed[name] = dimension->distribution().internal_of(value, name);
  return fixed;
}

Study::Study(Storage& storage, StudyId id) : storage_(storage), data_(storage.study(id)) {
  refresh();
}

StudyId Study::find(Storage& storage, const std::string& name) {
  const std::vector<StudyData> all = storage.studies();
  std::string names;
  for (const StudyData& one : all) {
    if (one.name == name) return one.id;
    names += (names.empty() ? "" : ", ") + one.name;
  }
  if (name.empty() && all.size() == 1) return all.front().id;
  throw Error(
      ErrorCode::not_found,
      name.empty() ? fmt::format("{}: holds {} studies", storage.url(), all.size())
                   : fmt::format("{}: there is no study '{}'", storage.url(), name),
      all.empty() ? "no study is there yet" : fmt::format("name one behind '#': {}", names));
}

void Study::refresh() { storage_.refresh(data_.id, trials_); }

std::optional<Trial> Study::claim(const AskCall& call, const Trial& waiting) {
  Assignment fixed;
  try {
    fixed = fixed_of(waiting, call.space);
  } catch (const Error& error) {
    // What another program has enqueued may be outside of the space: that trial cannot be.
    storage_.change_trial(waiting.id, {.expected_state = TrialState::waiting,
                                       .state = TrialState::fail,
                                       .user_attributes = {{error_attribute, error.message()}},
                                       .start = now(),
                                       .complete = now(),
                                       .durable = true});
    return std::nullopt;
  }
  std::vector<Trial> known;
  for (const Trial& trial : trials_)
    if (has_begun(trial)) known.push_back(trial);
  Sample sample = call.sampling.sample(
      {call.space, data_.directions, known, waiting.number, call.seed, fixed, call.budget});
  TrialChange change{.expected_state = TrialState::waiting,
                     .state = TrialState::running,
                     .parameters = parameters_of(call.space, sample.values),
                     .system_attributes = std::move(sample.system_attributes),
                     .start = now(),
                     .heartbeat = !call.owner.empty()};
  if (!call.owner.empty()) change.system_attributes[owner_attribute] = call.owner;
  note_sampling(trials_, waiting.number, waiting.number, change.system_attributes);
  if (!storage_.change_trial(waiting.id, change)) return std::nullopt;
  refresh();
  return trials_.at(static_cast<std::size_t>(waiting.number));
}

std::optional<Trial> Study::ask(const AskCall& call) {
  // Others ask too. Whoever sampled without knowing of a trial that began meanwhile samples again;
  // not for ever: then what it did not know is noted.
  constexpr int attempts = 4;
  for (int attempt = 1;; ++attempt) {
    refresh();
    const std::int64_t room = call.within_budget
                                  ? call.budget - count_finished() - count_computed_now()
                                  : std::numeric_limits<std::int32_t>::max();
    if (room <= 0) return std::nullopt;
    const auto waiting = std::find_if(trials_.begin(), trials_.end(), [](const Trial& trial) {
      return trial.state == TrialState::waiting;
    });
    if (waiting != trials_.end()) {
      if (std::optional<Trial> claimed = claim(call, Trial(*waiting))) return claimed;
      continue;
    }
    const bool last = attempt >= attempts;
    const auto count = static_cast<std::int64_t>(trials_.size());
    // A trial that others add meanwhile takes a place.
    const std::int64_t most = last ? count + room - 1 : count;
    // Two that both give up knowing must not draw the same numbers.
    const std::int64_t drawn =
        last ? count + (std::int64_t{stream_of(new_owner()) | 1u} << 31) : count;
    Sample sample = call.sampling.sample(
        {call.space, data_.directions, trials_, drawn, call.seed, {}, call.budget});
    if (sample.exhausted) return std::nullopt;
    Trial trial;
    trial.parameters = parameters_of(call.space, sample.values);
    trial.system_attributes = std::move(sample.system_attributes);
    if (!call.owner.empty()) trial.system_attributes[owner_attribute] = call.owner;
    note_sampling(trials_, count, drawn, trial.system_attributes);
    trial.start = now();
    std::optional<Trial> made = storage_.create_trial(data_.id, trial, most, !call.owner.empty());
    if (!made) continue;
    if (made->number == count) trials_.push_back(*made);
    return made;
  }
}

bool Study::tell(const Trial& trial, Telling telling) {
  if (telling.state == TrialState::complete) {
    if (telling.values.size() != data_.directions.size())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("trial {}: {} values for {} objectives", trial.number,
                              telling.values.size(), data_.directions.size()));
    if (std::any_of(telling.values.begin(), telling.values.end(),
                    [](double value) { return std::isnan(value); })) {
      telling.state = TrialState::fail;
      telling.user_attributes[error_attribute] = "an objective is not a number";
    }
  }
  if (telling.state == TrialState::fail) telling.values.clear();
  TrialChange change{.expected_state = TrialState::running,
                     .state = telling.state,
                     .values = std::move(telling.values),
                     .user_attributes = std::move(telling.user_attributes),
                     .system_attributes = std::move(telling.system_attributes),
                     .complete = now(),
                     .durable = true};
  const auto owner = trial.system_attributes.find(owner_attribute);
  if (owner != trial.system_attributes.end()) change.expected_owner = owner->second.text();
  for (const auto& [name, value] : telling.constraints)
    change.system_attributes["constraints:" + name] = value;
  if (telling.state == TrialState::pruned && change.values.empty()) {
    refresh();
    const Trial& kept = trials_.at(static_cast<std::size_t>(trial.number));
    if (!kept.intermediate.empty() && data_.directions.size() == 1 &&
        !std::isnan(kept.intermediate.rbegin()->second))
      change.values = {kept.intermediate.rbegin()->second};
  }
  return storage_.change_trial(trial.id, change);
}

bool Study::report(const Trial& trial, std::int64_t step, double value) {
  TrialChange change{.expected_state = TrialState::running, .intermediate = {{step, value}}};
  const auto owner = trial.system_attributes.find(owner_attribute);
  // (Who has none is no process that gives signs of life: a first one would call for more.)
  if (owner != trial.system_attributes.end()) {
    change.expected_owner = owner->second.text();
    change.heartbeat = true;
  }
  return storage_.change_trial(trial.id, change);
}

Trial Study::enqueue(const Attributes& values, const Attributes& user_attributes) {
  Trial trial;
  trial.state = TrialState::waiting;
  trial.system_attributes[fixed_attribute] = Json(values);
  trial.user_attributes = user_attributes;
  return storage_.create_trial(data_.id, trial, std::nullopt, false).value();
}

std::optional<Trial> Study::take_over(const std::string& owner, double lease) {
  refresh();
  // Asked for once, where a trial of another machine runs.
  std::optional<std::map<TrialId, double>> ages;
  const auto lease_ended = [&](TrialId trial) {
    if (!ages) {
      ages.emplace();
      for (const Heartbeat& beat : storage_.heartbeats(data_.id)) (*ages)[beat.trial] = beat.age;
    }
    const auto age = ages->find(trial);
    return age == ages->end() || age->second > lease;
  };
  for (const Trial& trial : trials_) {
    const auto old = trial.system_attributes.find(owner_attribute);
    // (A trial without an owner is another program's.)
    if (trial.state != TrialState::running || old == trial.system_attributes.end()) continue;
    const std::string name = old->second.text();
    if (!(is_of_this_machine(name) ? has_ended(name) : lease_ended(trial.id))) continue;
    if (!storage_.change_trial(trial.id, {.expected_state = TrialState::running,
                                          .expected_owner = name,
                                          .system_attributes = {{owner_attribute, owner}},
                                          .heartbeat = true}))
      continue;
    refresh();
    return trials_.at(static_cast<std::size_t>(trial.number));
  }
  return std::nullopt;
}

std::int64_t Study::count_finished() const {
  return std::count_if(trials_.begin(), trials_.end(), [](const Trial& trial) {
    return trial.state == TrialState::complete || trial.state == TrialState::pruned;
  });
}

std::int64_t Study::count_computed_now() const {
  return std::count_if(trials_.begin(), trials_.end(), [](const Trial& trial) {
    return trial.state == TrialState::running && trial.system_attributes.contains(owner_attribute);
  });
}

std::vector<std::int64_t> Study::best() const {
  struct Candidate {
    std::int64_t number;
    Point losses;
  };
  // Whoever beats one that was beaten beats all that it had beaten: only the front is compared.
  std::vector<Candidate> front;
  for (const Trial& trial : trials_) {
    if (!can_be_best(trial, data_.directions)) continue;
    Candidate candidate{trial.number, losses_of(trial, data_.directions)};
    if (std::any_of(front.begin(), front.end(), [&](const Candidate& other) {
          return dominates(other.losses, candidate.losses);
        }))
      continue;
    std::erase_if(
        front, [&](const Candidate& other) { return dominates(candidate.losses, other.losses); });
    // Of one objective the first of those that are as good.
    if (data_.directions.size() > 1 || front.empty()) front.push_back(std::move(candidate));
  }
  std::vector<std::int64_t> best;
  for (const Candidate& candidate : front) best.push_back(candidate.number);
  return best;
}

}  // namespace hone
