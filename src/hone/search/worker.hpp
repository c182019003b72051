// Works on a study until it has as many finished trials as it shall have.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "hone/search/objective.hpp"
#include "hone/search/stopper.hpp"

namespace hone {

struct WorkerSettings {
  Space space;
  std::string sampler = "auto";
  Options sampler_options;
  std::string stopper;  // "": none
  Options stopper_options;
  std::uint64_t seed = 0;
  std::int64_t trials = 0;  // finished ones of the whole study
  double lease = 60;        // seconds without a sign of life after which a trial is taken over
  double timeout = 0;       // seconds after which no trial is begun; 0: none
  bool reuse = false;       // a trial with the values of an earlier one gets its results
};

struct WorkerEvents {
  std::function<void(const Trial& trial, bool taken_over)> began = {};
  std::function<void(const Trial& trial)> ended = {};
  std::function<void(const Trial& trial, std::int64_t step, double value)> reported = {};
  std::function<bool()> should_stop = {};
};

enum class WorkerEnd { finished, exhausted, timed_out };

// A user attribute: the number of the trial whose results this one has.
inline const char* const reused_attribute = "hone:reused";

// The trials that this worker computed, and why it ended. `beats` is a connection of its own to the
// study's storage, for the signs of life (null: none are needed). Throws Error(interrupted) when it
// shall stop: its trial stays running, to be taken over. Throws Error(invalid_argument) when one
// trial after the other fails.
struct WorkerResult {
  WorkerEnd end = WorkerEnd::finished;
  std::int64_t computed = 0;
};
WorkerResult work(Study& study, Storage* beats, Objective& objective,
                  const WorkerSettings& settings, const WorkerEvents& events);

}  // namespace hone
