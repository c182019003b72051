// What a study optimizes, as seen by a worker.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "hone/search/study.hpp"

namespace hone {

// What an objective sees of the study while it computes a trial.
class TrialWatcher {
public:
  virtual ~TrialWatcher() = default;
  // Tells an intermediate value; whether the trial shall stop now: the stopper says so, or the
  // trial belongs to somebody else by now.
  virtual bool report(std::int64_t step, double value) = 0;
  // It belongs to somebody else, who goes on from what it has saved.
  virtual bool is_lost() const { return false; }
  // Often, and whenever something is waited for: throws Error(interrupted) when the worker stops.
  virtual void check() = 0;
};

class Objective {
public:
  virtual ~Objective() = default;
  // A trial that another process began and left continues from what that has saved, where anything
  // is. Errors that are the trial's own give a telling of `fail` with `error_attribute` among its
  // user attributes; what is thrown ends the worker.
  virtual Telling compute(const Trial& trial, TrialWatcher& watcher) = 0;
};

}  // namespace hone
