// A study that is worked on: asks what to try next, tells what came of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hone/search/sampler.hpp"
#include "hone/search/storage.hpp"

namespace hone {

struct AskCall {
  const Space& space;
  Sampling& sampling;
  std::uint64_t seed = 0;
  std::string owner = {};   // of the trial (owner.hpp); "": nobody takes it over
  std::int64_t budget = 0;  // finished trials that the study will have; 0: nobody knows
  // Nothing is begun where as many as `budget` are finished or computed, by whomever.
  bool within_budget = false;
};

// What a trial came to.
struct Telling {
  TrialState state = TrialState::complete;  // complete, pruned or fail
  std::vector<double> values = {};
  std::map<std::string, double> constraints = {};  // by name; feasible where none is above 0
  Attributes user_attributes = {};
  Attributes system_attributes = {};
};

// System attributes of a trial: the values that somebody gave it, and what its sampler knew where
// that is not simply every trial before it, finished: {"known": trials up to this number, "number":
// by which it drew, "running": [numbers], "waiting": [numbers]}.
inline const char* const fixed_attribute = "fixed_params";
inline const char* const sampled_attribute = "hone:sampled";
// A user attribute of a trial that failed: why.
inline const char* const error_attribute = "hone:error";

// Values that somebody gave a trial, as far as the space has them.
Assignment fixed_of(const Trial& trial, const Space& space);

class Study {
public:
  // Throws Error(not_found).
  Study(Storage& storage, StudyId id);
  // The study of that name; of the only one where the name is "". Throws Error(not_found) naming
  // those that there are.
  static StudyId find(Storage& storage, const std::string& name);

  Storage& storage() { return storage_; }
  const StudyData& data() const { return data_; }
  // As they were at the last refresh, or ask.
  const std::vector<Trial>& trials() const { return trials_; }
  void refresh();
  // Attributes too.
  void refresh_data() { data_ = storage_.study(data_.id); }

  // Begins a trial: one that was enqueued, or a sampled one. Nothing where the sampler has nothing
  // left to try. What the sampler knew is kept with the trial where it is not simply every trial
  // before, finished, so that the sampling can be repeated.
  std::optional<Trial> ask(const AskCall& call);
  // Whether it was taken: the trial ran, and belonged to this owner. On disk when this returns. A
  // telling of `complete` with a value that is NaN becomes `fail`; `pruned` gets its last
  // intermediate value where it has no values.
  bool tell(const Trial& trial, Telling telling);
  bool report(const Trial& trial, std::int64_t step, double value);

  // Adds a trial with these values (by parameter), to be asked for before any is sampled.
  Trial enqueue(const Attributes& values, const Attributes& user_attributes = {});
  // Makes a trial of an ended process this owner's, with its number and values: the first whose
  // process is known to have ended, or whose lease (seconds) did.
  std::optional<Trial> take_over(const std::string& owner, double lease);

  // Finished: COMPLETE or PRUNED.
  std::int64_t count_finished() const;
  // Those that somebody computes: they run, and have an owner.
  std::int64_t count_computed_now() const;
  // The numbers of the best feasible complete trials: of one objective the best, of several those
  // that no other is better than (as good in all, better in one).
  std::vector<std::int64_t> best() const;

private:
  std::optional<Trial> claim(const AskCall& call, const Trial& waiting);

  Storage& storage_;
  StudyData data_;
  std::vector<Trial> trials_;
};

}  // namespace hone
