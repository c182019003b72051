#include "hone/search/trial.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "hone/core/error.hpp"

namespace hone {
namespace {

constexpr std::array<const char*, 5> state_names{"RUNNING", "COMPLETE", "PRUNED", "FAIL",
                                                 "WAITING"};

}  // namespace

const char* to_string(TrialState state) { return state_names.at(static_cast<std::size_t>(state)); }

TrialState trial_state(const std::string& text) {
  const auto* const found = std::find(state_names.begin(), state_names.end(), text);
  if (found == state_names.end())
    throw Error(ErrorCode::bad_format, fmt::format("'{}' is no state of a trial", text),
                "states: RUNNING COMPLETE PRUNED FAIL WAITING");
  return static_cast<TrialState>(found - state_names.begin());
}

Time now() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

const TrialParameter* Trial::find(const std::string& parameter) const {
  for (const TrialParameter& one : parameters)
    if (one.name() == parameter) return &one;
  return nullptr;
}

Assignment Trial::assignment() const {
  Assignment assigned;
  for (const TrialParameter& one : parameters) assigned[one.name()] = one.internal;
  return assigned;
}

std::vector<double> constraints_of(const Trial& trial) {
  // "constraints", the older list, or "constraints:NAME".
  const std::string first = "constraints";
  const std::string prefix = "constraints:";
  auto at = trial.system_attributes.lower_bound(first);
  if (at == trial.system_attributes.end() || !at->first.starts_with(first)) return {};
  std::map<std::string, double> found;
  if (at->first == first && at->second.is_array())
    for (std::size_t i = 0; i < at->second.size(); ++i)
      found[std::to_string(i)] = at->second[i].get<double>();
  for (at = trial.system_attributes.lower_bound(prefix);
       at != trial.system_attributes.end() && at->first.starts_with(prefix); ++at)
    found[at->first.substr(prefix.size())] = at->second.get<double>();
  std::vector<double> values;
  for (const auto& [name, value] : found) values.push_back(value);
  return values;
}

double violation_of(const Trial& trial) {
  const std::vector<double> constraints = constraints_of(trial);
  if (constraints.empty()) return std::numeric_limits<double>::quiet_NaN();
  double sum = 0;
  // One that is not a number does not hold.
  for (const double one : constraints)
    sum += std::isnan(one) ? std::numeric_limits<double>::infinity() : std::max(one, 0.0);
  return sum;
}

std::vector<double> losses_of(const Trial& trial, const std::vector<Direction>& directions) {
  std::vector<double> losses = trial.values;
  for (std::size_t i = 0; i < losses.size(); ++i)
    if (directions[i] == Direction::maximize) losses[i] = -losses[i];
  return losses;
}

bool can_be_best(const Trial& trial, const std::vector<Direction>& directions) {
  return trial.state == TrialState::complete && !(violation_of(trial) > 0) &&
         trial.values.size() == directions.size();
}

}  // namespace hone
