#include "hone/search/detail/history.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace hone {
namespace {

// The coordinate's internal value by the axis' own distribution; `absent` where it has none.
double internal_on(const Axis& axis, const TrialParameter& parameter) {
  const Distribution& own = axis.distribution();
  const Distribution& told = parameter.parameter->distribution;
  if (parameter.parameter == axis.dimension->parameter || own == told) return parameter.internal;
  if (own.kind == DistributionKind::categorical || told.kind == DistributionKind::categorical) {
    if (own.kind != told.kind) return absent;
    const Json value = parameter.value();
    const auto found = std::find(own.choices.begin(), own.choices.end(), value);
    return found == own.choices.end() ? absent : static_cast<double>(found - own.choices.begin());
  }
  return own.contains(parameter.internal) ? parameter.internal : absent;
}

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

}  // namespace

void History::read(const Trial& trial, std::size_t row, std::span<const Direction> directions) {
  Outcome& outcome = outcomes_[row];
  outcome = {};
  outcome.state = trial.state;
  std::vector<double> values;
  if (trial.state == TrialState::complete) values = trial.values;
  if (!trial.intermediate.empty()) {
    const auto& [step, value] = *trial.intermediate.rbegin();
    outcome.last_step = step;
    if (trial.state == TrialState::pruned && directions.size() == 1) values = {value};
  }
  if (values.size() == directions.size() &&
      std::none_of(values.begin(), values.end(), [](double one) { return std::isnan(one); })) {
    for (std::size_t i = 0; i < values.size(); ++i)
      if (directions[i] == Direction::maximize) values[i] = -values[i];
    outcome.losses = std::move(values);
  }
  const double violation = violation_of(trial);
  outcome.constrained = !std::isnan(violation);
  outcome.violation = outcome.constrained ? violation : 0;

  for (auto& column : columns_) column[row] = absent;
  for (auto& column : units_) column[row] = absent;
  for (std::size_t k = 0; k < trial.parameters.size(); ++k) {
    const TrialParameter& parameter = trial.parameters[k];
    // Trials keep the order of the space where they were sampled by hone.
    std::size_t i = k < axes_.size() && parameters_[k] == parameter.parameter ? k : axes_.size();
    for (std::size_t j = 0; j < axes_.size() && i == axes_.size(); ++j)
      if (parameters_[j] == parameter.parameter) i = j;
    if (i == axes_.size()) i = axes_.find(parameter.name());
    if (i == axes_.size()) continue;
    columns_[i][row] = internal_on(axes_[i], parameter);
    if (!std::isnan(columns_[i][row])) units_[i][row] = axes_[i].unit_of(columns_[i][row]);
  }
}

void History::update(const SampleCall& call) {
  const auto& dimensions = call.space.dimensions();
  const bool same_axes =
      dimensions.size() == parameters_.size() &&
      std::equal(dimensions.begin(), dimensions.end(), parameters_.begin(),
                 [](const Dimension& a, const ParameterPtr& b) { return a.parameter == b; });
  if (!same_axes || !std::equal(call.directions.begin(), call.directions.end(), directions_.begin(),
                                directions_.end())) {
    *this = {};
    space_ = call.space;
    axes_ = Axes(space_);
    for (const Dimension& dimension : dimensions) parameters_.push_back(dimension.parameter);
    directions_.assign(call.directions.begin(), call.directions.end());
    columns_.resize(axes_.size());
    units_.resize(axes_.size());
  }
  const std::size_t count = call.trials.size();
  keys_.resize(count);
  outcomes_.resize(count);
  for (auto& column : columns_) column.resize(count, absent);
  for (auto& column : units_) column.resize(count, absent);
  constrained_ = false;
  for (std::size_t row = 0; row < count; ++row) {
    const Trial& trial = call.trials[row];
    const Key& known = keys_[row];
    const double first = trial.parameters.empty() ? 0 : trial.parameters.front().internal;
    // (A finished trial never changes; the key tells another study's trial apart.)
    if (!trial.is_finished() || known.number != trial.number || known.id != trial.id ||
        known.state != trial.state || known.parameters != trial.parameters.size() ||
        !same(known.first, first) ||
        !std::equal(known.values.begin(), known.values.end(), trial.values.begin(),
                    trial.values.end(), same)) {
      read(trial, row, call.directions);
      keys_[row] = {trial.id, trial.number, trial.state, trial.values, trial.parameters.size(),
                    first};
    }
    constrained_ = constrained_ || outcomes_[row].constrained;
  }
  // (A trial of a study with constraints that told none is not known to keep them.)
  for (Outcome& outcome : outcomes_)
    if (!outcome.constrained)
      outcome.violation = constrained_ ? std::numeric_limits<double>::infinity() : 0;
}

bool History::contains(std::span<const double> internals) const {
  for (std::size_t row = 0; row < size(); ++row) {
    if (outcomes_[row].state == TrialState::waiting) continue;
    bool equal = true;
    for (std::size_t i = 0; i < columns_.size() && equal; ++i)
      equal = same(columns_[i][row], internals[i]);
    if (equal) return true;
  }
  return false;
}

std::vector<std::size_t> History::usable() const {
  std::vector<std::size_t> rows;
  for (std::size_t row = 0; row < size(); ++row)
    if (outcomes_[row].usable()) rows.push_back(row);
  return rows;
}

bool better(const History& history, std::size_t a, std::size_t b) {
  const auto key = [&](std::size_t row) {
    const Outcome& one = history[row];
    const bool pruned = one.state == TrialState::pruned;
    return std::make_tuple(!one.feasible(), one.feasible() ? 0 : one.violation, pruned,
                           pruned ? -one.last_step : 0, one.losses.front(), row);
  };
  return key(a) < key(b);
}

}  // namespace hone
