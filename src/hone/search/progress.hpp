// How good a study was when.
#pragma once

#include <span>
#include <vector>

#include "hone/search/trial.hpp"

namespace hone {

// What the points of several objectives are measured against: 0 is the best of each objective, 1
// what is beyond the worst (by a tenth of the range). Studies that are compared share one.
struct ObjectiveBox {
  std::vector<double> best, beyond;  // losses
};
// Of all trials that can be best and have finite values; empty where there are none.
ObjectiveBox box_of(std::span<const Trial* const> trials, const std::vector<Direction>& directions);

// After each trial, in the order given: the best value so far; of several objectives the share of
// the box that the front dominates (its hypervolume). NaN before the first trial that can be best.
// Trials that did not complete, or break a constraint, change nothing.
std::vector<double> best_so_far(std::span<const Trial* const> trials,
                                const std::vector<Direction>& directions, const ObjectiveBox& box);

}  // namespace hone
