// Where studies are kept. To add one is to add a file to storages/.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hone/core/options.hpp"
#include "hone/search/trial.hpp"

namespace hone {

// What one transaction does to a trial: all of it, or nothing.
struct TrialChange {
  // Nothing is done unless the trial is in this state and belongs to this owner (its system
  // attribute `owner_attribute`) when the transaction begins.
  std::optional<TrialState> expected_state = {};
  std::optional<std::string> expected_owner = {};

  std::optional<TrialState> state = {};
  std::vector<double> values = {};                   // with a finished state
  std::vector<TrialParameter> parameters = {};       // those that the trial does not have yet
  std::map<std::int64_t, double> intermediate = {};  // a step again replaces
  Attributes user_attributes = {};
  Attributes system_attributes = {};
  std::optional<Time> start = {};
  std::optional<Time> complete = {};
  bool heartbeat = false;  // now, by the storage's own clock
  bool durable = false;    // on disk when this returns
};
inline const char* const owner_attribute = "hone:owner";

struct Heartbeat {
  TrialId trial{};
  double age = 0;  // seconds, by the storage's own clock
};

// One connection. Not for several threads at once; any number of processes may use one place.
// What the place refuses for a while (locks, a server that restarts) is tried again for
// `patience` seconds, then Error(io) names the place and the reason.
class Storage {
public:
  virtual ~Storage() = default;

  // As a person writes it, without passwords.
  virtual std::string url() const = 0;

  virtual std::vector<StudyData> studies() = 0;
  // Throws Error(invalid_argument) when there is one of that name.
  virtual StudyId create_study(const std::string& name,
                               const std::vector<Direction>& directions) = 0;
  virtual void delete_study(StudyId study) = 0;
  virtual void set_study_attributes(StudyId study, const Attributes& user,
                                    const Attributes& system) = 0;
  // The study as it stands. Throws Error(not_found).
  virtual StudyData study(StudyId study) = 0;

  // Brings `trials`, in the order of their numbers, up to date: those that are new, and those that
  // were not finished in it. A finished trial never changes.
  virtual void refresh(StudyId study, std::vector<Trial>& trials) = 0;
  // Adds a trial: its id and number are given by the storage. Nothing happens and nothing is
  // returned where the study has more than `most` trials when the transaction begins.
  virtual std::optional<Trial> create_trial(StudyId study, const Trial& trial,
                                            std::optional<std::int64_t> most, bool heartbeat) = 0;
  // Whether it was done.
  virtual bool change_trial(TrialId trial, const TrialChange& change) = 0;
  // Of trials that run, where they have one.
  virtual std::vector<Heartbeat> heartbeats(StudyId study) = 0;
};

struct StorageOpening {
  std::string url;         // without "#NAME"
  bool create = false;     // the place where it is missing; otherwise that is Error(not_found)
  bool read_only = false;  // nothing is written, not even a lock
  double patience = 60;    // seconds
};

// The contract of a kind of storage; `name` is the scheme of its URLs.
struct StorageKind : Described {
  std::unique_ptr<Storage> (*open)(const StorageOpening& opening) = nullptr;
  // Whether processes of other machines cannot reach what is kept at `url`.
  bool (*is_of_one_machine)(const std::string& url) = nullptr;
};
const std::vector<StorageKind>& storage_table();
std::unique_ptr<Storage> open_storage(const StorageOpening& opening);
bool is_of_one_machine(const std::string& url);

// "sqlite:runs/s.db#nas": a place, and the study in it; "" where it has one only.
struct StudyAddress {
  std::string url;
  std::string name;
};
// Optuna's "sqlite:///runs/s.db" is read too. Throws Error(invalid_argument) for another scheme.
StudyAddress parse_study_address(const std::string& text);

}  // namespace hone
