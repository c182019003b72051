// Stoppers: which running trials are not worth ending. To add one is to add a file to stoppers/.
#pragma once

#include <span>
#include <vector>

#include "hone/core/options.hpp"
#include "hone/search/trial.hpp"

namespace hone {

struct StopCall {
  const Trial& trial;  // with the intermediate value of `step`
  std::int64_t step;
  Direction direction;
  std::span<const Trial> trials;  // of the study, the others
  const Options& options;
};

// The contract: whether the trial is stopped now. Asked of studies with one objective.
struct Stopper : Described {
  bool (*stop)(const StopCall& call) = nullptr;
};
const std::vector<Stopper>& stopper_table();

}  // namespace hone
