// What stoppers share: trials' intermediate values as curves.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "hone/search/stopper.hpp"

namespace hone {

// Less is better: the value, negated where more is.
double loss_of(double value, Direction direction);
// Best of the values up to `step`; NaN where all are.
double best_loss(const Trial& trial, std::int64_t step, Direction direction);
// The value at the largest step up to `step` of a trial that came to `step` or past it (steps need
// not be the same in all trials).
std::optional<double> value_at_step(const Trial& trial, std::int64_t step);
// The first value at `step` or past it.
std::optional<double> first_value_from(const Trial& trial, std::int64_t step);

// The options n_warmup_steps and interval_steps, and whether by them `call` is a time to decide:
// the first value in an interval of steps that begins after the warm-up.
std::vector<OptionSpec> pace_options();
bool is_due(const StopCall& call);

// Whether the best value so far is worse than this percentile (of 100, from the best) of the values
// that complete trials had at the step; the options n_startup_trials and n_min_trials.
std::vector<OptionSpec> percentile_options();
bool is_behind(const StopCall& call, double percentile);

// Successive halving. Whether the trial is not among the best 1 / `factor` of the trials that came
// to a rung that it comes to with this step: rungs are at `first` factor^k steps, k = 0, 1, ...
bool loses_at_rung(const StopCall& call, const std::vector<const Trial*>& others, double first,
                   double factor);
// The last step of the first trial, by number, that is complete and has intermediate values.
std::optional<std::int64_t> last_step_of_complete(const StopCall& call);

}  // namespace hone
