// All parameters that the trials of a study have, as columns.
#pragma once

#include <span>
#include <vector>

#include "hone/search/space.hpp"
#include "hone/search/trial.hpp"

namespace hone {

// Parameters in the order in which trials first have them, without conditions. One that trials have
// with different ranges has all of them: the choices of all, from the lowest to the highest; what
// is a number in one trial and a choice in another is categorical.
struct TrialColumns {
  Space space;
  // [parameter][trial]: internal values by `space`; NaN where the trial does not have the
  // parameter.
  std::vector<std::vector<double>> values;
};
TrialColumns columns_of(std::span<const Trial> trials);

}  // namespace hone
