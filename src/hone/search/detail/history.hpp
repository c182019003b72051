// The trials of a study in columns.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "hone/search/detail/axes.hpp"
#include "hone/search/sampler.hpp"

namespace hone {

// One trial without its parameters.
struct Outcome {
  TrialState state = TrialState::waiting;
  // The objectives, less is better (negated where more is); of a pruned trial its last intermediate
  // value. Empty where there is none or one is NaN.
  std::vector<double> losses = {};
  std::int64_t last_step = -1;  // of the intermediate values; -1: none
  double violation = 0;         // the sum of broken constraints
  bool constrained = false;     // constraints were told

  // Complete, or pruned with a value.
  bool usable() const { return !losses.empty(); }
  bool feasible() const { return violation <= 0; }
};

// Row i is trial i of the call. What a finished trial brought is kept from call to call.
class History {
public:
  // After this the axes are those of the call's space.
  void update(const SampleCall& call);

  const Axes& axes() const { return axes_; }
  std::size_t size() const { return outcomes_.size(); }
  const Outcome& operator[](std::size_t row) const { return outcomes_[row]; }
  // Internal values by row; `absent` where the trial does not have the parameter.
  std::span<const double> column(std::size_t axis) const { return columns_[axis]; }
  // The same as coordinates.
  std::span<const double> units(std::size_t axis) const { return units_[axis]; }
  // Whether any trial told constraints; then one that told none breaks them all.
  bool constrained() const { return constrained_; }
  // Whether a trial that is finished or runs has exactly these internal values.
  bool contains(std::span<const double> internals) const;
  // Rows that are usable, in the order of their numbers.
  std::vector<std::size_t> usable() const;

private:
  struct Key {
    TrialId id{};
    std::int64_t number = -1;
    TrialState state = TrialState::waiting;
    std::vector<double> values = {};
    std::size_t parameters = 0;
    double first = 0;
    bool operator==(const Key&) const = default;
  };
  void read(const Trial& trial, std::size_t row, std::span<const Direction> directions);

  std::vector<ParameterPtr> parameters_;  // of the axes
  Space space_;
  Axes axes_;
  std::vector<Direction> directions_;
  std::vector<Key> keys_;
  std::vector<Outcome> outcomes_;
  std::vector<std::vector<double>> columns_, units_;
  bool constrained_ = false;
};

// Whether a is better than b where there is one objective: feasible ones before others, those by
// how much they break; then complete ones by their value, then pruned ones, those that went further
// first. Equal ones: the earlier row.
bool better(const History& history, std::size_t a, std::size_t b);

}  // namespace hone
