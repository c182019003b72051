// Runs searches: the study of a search file, its worker processes, and one worker.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "hone/recipes/search_settings.hpp"
#include "hone/recipes/train_run.hpp"

namespace hone {

// A study that is open, with the storage it lies in.
struct OpenStudy {
  std::string address;  // of the place, as it was given
  std::unique_ptr<Storage> storage = nullptr;
  std::unique_ptr<Study> study = nullptr;
};
// Of a study's address. Throws Error(not_found) where it is not.
OpenStudy open_study(const std::string& address, bool read_only);

// What can be known of a search before anything is made: whether each dimension of one that is not
// there yet has an effect. Throws Error(invalid_argument).
void check_search(const SearchSettings& settings);

// The study of a search: made where it is not there. One that is there goes on if it has the same
// objectives, space and data; throws Error(invalid_argument) naming what differs otherwise. What
// may differ (trials, sampler, stopper, lease, seed) is kept in it for its workers. A start by
// sensitivity is measured here, once.
OpenStudy begin_search(const SearchSettings& settings, const RunWatcher& watcher);

// The settings that a study keeps. Throws Error(invalid_argument) when it is no study of a search,
// Error(unsupported) when another version of hone made it.
SearchSettings settings_of(const StudyData& study);

// The space that it keeps, else that which its trials tell (search/told_space.hpp).
Space space_of(const Study& study);
// What a trial of it is asked for with: the settings that it keeps, else the space that its trials
// tell and the sampler `auto`. Throws Error(invalid_argument).
WorkerSettings asking_settings(const Study& study);

// Works on an open study until it is finished, or `timeout` (seconds; 0: none) is over.
WorkerResult run_worker(OpenStudy& open, const WorkerEvents& events, double timeout,
                        const RunWatcher& watcher);

// What is done when a study has all its trials: the winner is judged on the test split.
Json finish_search(OpenStudy& open, const RunWatcher& watcher);

}  // namespace hone
