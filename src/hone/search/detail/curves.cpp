#include "hone/search/detail/curves.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

namespace hone {

double loss_of(double value, Direction direction) {
  return direction == Direction::minimize ? value : -value;
}

double best_loss(const Trial& trial, std::int64_t step, Direction direction) {
  double best = std::numeric_limits<double>::quiet_NaN();
  for (const auto& [at, value] : trial.intermediate)
    if (at <= step) best = std::fmin(best, loss_of(value, direction));
  return best;
}

std::optional<double> value_at_step(const Trial& trial, std::int64_t step) {
  if (trial.intermediate.empty() || trial.intermediate.rbegin()->first < step) return std::nullopt;
  const auto after = trial.intermediate.upper_bound(step);
  if (after == trial.intermediate.begin()) return std::nullopt;
  return std::prev(after)->second;
}

std::optional<double> first_value_from(const Trial& trial, std::int64_t step) {
  const auto found = trial.intermediate.lower_bound(step);
  if (found == trial.intermediate.end()) return std::nullopt;
  return found->second;
}

std::vector<OptionSpec> pace_options() {
  return {{"n_warmup_steps", OptionType::integer, std::int64_t{0},
           "no trial is stopped at a smaller step", 0, 1e15},
          {"interval_steps", OptionType::integer, std::int64_t{1},
           "one decision in so many steps, counted from the warm-up", 1, 1e15}};
}

bool is_due(const StopCall& call) {
  const std::int64_t warmup = call.options.integer("n_warmup_steps");
  const std::int64_t interval = call.options.integer("interval_steps");
  if (call.step < warmup) return false;
  const std::int64_t begin = warmup + (call.step - warmup) / interval * interval;
  return call.trial.intermediate.lower_bound(begin)->first == call.step;
}

std::vector<OptionSpec> percentile_options() {
  std::vector<OptionSpec> options{{"n_startup_trials", OptionType::integer, std::int64_t{5},
                                   "none is stopped before so many trials are complete", 0, 1e9},
                                  {"n_min_trials", OptionType::integer, std::int64_t{1},
                                   "nor where fewer complete trials came to the step", 1, 1e9}};
  for (OptionSpec& one : pace_options()) options.push_back(std::move(one));
  return options;
}

bool is_behind(const StopCall& call, double percentile) {
  std::int64_t complete = 0;
  std::vector<double> losses;
  for (const Trial& other : call.trials) {
    if (other.state != TrialState::complete) continue;
    ++complete;
    const std::optional<double> value = value_at_step(other, call.step);
    if (value && !std::isnan(*value)) losses.push_back(loss_of(*value, call.direction));
  }
  if (complete < call.options.integer("n_startup_trials") || complete == 0 || !is_due(call))
    return false;
  const double own = best_loss(call.trial, call.step, call.direction);
  if (std::isnan(own)) return true;
  if (static_cast<std::int64_t>(losses.size()) < call.options.integer("n_min_trials")) return false;
  // Between the two values beside it by how near it is to each.
  std::sort(losses.begin(), losses.end());
  const double place = percentile / 100 * static_cast<double>(losses.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, losses.size() - 1);
  const double part = place - static_cast<double>(below);
  const double bound = part == 0 || losses[below] == losses[above]
                           ? losses[below]
                           : losses[below] * (1 - part) + losses[above] * part;
  return own > bound;
}

bool loses_at_rung(const StopCall& call, const std::vector<const Trial*>& others, double first,
                   double factor) {
  const double own = loss_of(call.trial.intermediate.at(call.step), call.direction);
  for (double rung = first; rung <= static_cast<double>(call.step); rung *= factor) {
    const auto step = static_cast<std::int64_t>(std::ceil(rung));
    // (It was asked at this rung when it came to it.)
    if (call.trial.intermediate.lower_bound(step)->first != call.step) continue;
    if (std::isnan(own)) return true;
    std::vector<double> losses{own};
    for (const Trial* other : others)
      if (const std::optional<double> value = first_value_from(*other, step))
        if (!std::isnan(*value)) losses.push_back(loss_of(*value, call.direction));
    const auto places = std::max<std::size_t>(
        1, static_cast<std::size_t>(static_cast<double>(losses.size()) / factor));
    std::nth_element(losses.begin(), losses.begin() + static_cast<std::ptrdiff_t>(places - 1),
                     losses.end());
    if (own > losses[places - 1]) return true;
  }
  return false;
}

std::optional<std::int64_t> last_step_of_complete(const StopCall& call) {
  for (const Trial& other : call.trials)
    if (other.state == TrialState::complete && !other.intermediate.empty())
      return other.intermediate.rbegin()->first;
  return std::nullopt;
}

}  // namespace hone
