// Studies that end with the process.
#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/search/storage.hpp"

namespace hone {
namespace {
namespace memory_storage {

struct MemoryStudy {
  StudyData data;
  std::vector<Trial> trials = {};
  std::map<TrialId, Time> heartbeats = {};
};

class MemoryStorage : public Storage {
public:
  std::string url() const override { return "memory:"; }

  std::vector<StudyData> studies() override {
    std::vector<StudyData> all;
    for (const MemoryStudy& one : studies_) all.push_back(one.data);
    return all;
  }

  StudyId create_study(const std::string& name, const std::vector<Direction>& directions) override {
    for (const MemoryStudy& one : studies_)
      if (one.data.name == name)
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("memory: there is a study named '{}' already", name));
    const StudyId id{++last_study_};
    studies_.push_back({StudyData{id, name, directions}});
    return id;
  }

  void delete_study(StudyId study) override {
    find(study);
    std::erase_if(studies_, [&](const MemoryStudy& one) { return one.data.id == study; });
  }

  void set_study_attributes(StudyId study, const Attributes& user,
                            const Attributes& system) override {
    StudyData& data = find(study).data;
    for (const auto& [key, value] : user) data.user_attributes[key] = value;
    for (const auto& [key, value] : system) data.system_attributes[key] = value;
  }

  StudyData study(StudyId study) override { return find(study).data; }

  void refresh(StudyId study, std::vector<Trial>& trials) override {
    const MemoryStudy& kept = find(study);
    for (std::size_t i = 0; i < trials.size(); ++i)
      if (!trials[i].is_finished()) trials[i] = kept.trials[i];
    trials.insert(trials.end(), kept.trials.begin() + static_cast<std::ptrdiff_t>(trials.size()),
                  kept.trials.end());
  }

  std::optional<Trial> create_trial(StudyId study, const Trial& trial,
                                    std::optional<std::int64_t> most, bool heartbeat) override {
    MemoryStudy& kept = find(study);
    const auto count = static_cast<std::int64_t>(kept.trials.size());
    if (most && count > *most) return std::nullopt;
    Trial made = trial;
    made.id = TrialId{++last_trial_};
    made.number = count;
    if (heartbeat) kept.heartbeats[made.id] = now();
    kept.trials.push_back(made);
    return made;
  }

  bool change_trial(TrialId id, const TrialChange& change) override {
    for (MemoryStudy& study : studies_)
      for (Trial& trial : study.trials)
        if (trial.id == id) return apply(study, trial, change);
    throw Error(ErrorCode::not_found,
                fmt::format("memory: there is no trial with id {}", static_cast<std::int64_t>(id)));
  }

  std::vector<Heartbeat> heartbeats(StudyId study) override {
    const MemoryStudy& kept = find(study);
    std::vector<Heartbeat> all;
    for (const Trial& trial : kept.trials) {
      const auto at = kept.heartbeats.find(trial.id);
      if (trial.state != TrialState::running || at == kept.heartbeats.end()) continue;
      all.push_back({trial.id, std::chrono::duration<double>(now() - at->second).count()});
    }
    return all;
  }

private:
  MemoryStudy& find(StudyId id) {
    for (MemoryStudy& one : studies_)
      if (one.data.id == id) return one;
    throw Error(ErrorCode::not_found,
                fmt::format("memory: there is no study with id {}", static_cast<std::int64_t>(id)));
  }

  static bool apply(MemoryStudy& study, Trial& trial, const TrialChange& change) {
    if (change.expected_state && trial.state != *change.expected_state) return false;
    if (change.expected_owner) {
      const auto owner = trial.system_attributes.find(owner_attribute);
      if (owner == trial.system_attributes.end() || owner->second != Json(*change.expected_owner))
        return false;
    }
    if (trial.is_finished()) return false;
    if (change.state) trial.state = *change.state;
    if (!change.values.empty()) trial.values = change.values;
    trial.parameters.insert(trial.parameters.end(), change.parameters.begin(),
                            change.parameters.end());
    for (const auto& [step, value] : change.intermediate) trial.intermediate[step] = value;
    for (const auto& [key, value] : change.user_attributes) trial.user_attributes[key] = value;
    for (const auto& [key, value] : change.system_attributes) trial.system_attributes[key] = value;
    if (change.start) trial.start = change.start;
    if (change.complete) trial.complete = change.complete;
    if (change.heartbeat) study.heartbeats[trial.id] = now();
    return true;
  }

  std::vector<MemoryStudy> studies_;
  std::int64_t last_study_ = 0;
  std::int64_t last_trial_ = 0;
};

std::unique_ptr<Storage> open(const StorageOpening&) { return std::make_unique<MemoryStorage>(); }

}  // namespace memory_storage
}  // namespace

StorageKind storage_memory() {
  using namespace memory_storage;
  StorageKind kind{{"memory", "in this process alone; gone when it ends"}};
  kind.open = open;
  kind.is_of_one_machine = [](const std::string&) { return true; };
  return kind;
}

}  // namespace hone
