// The contract of an optimizer: what updates the parameters. One file in train/optimizers/ a
// member; the arithmetic of a step is an op (ops/optim/), so that it is planned and run like any
// other node.
#pragma once

#include <string>
#include <vector>

#include "hone/core/options.hpp"

namespace hone {

struct Optimizer : Described {
  // The op that makes one step of one parameter. Inputs: p, g, its states (which it overwrites, as
  // p), clip, schedule, step; each option is the attribute of that name.
  std::string update;
  // Why (complete) options do not go together; "": they do. Null: all do.
  std::string (*refusal)(const Options& options) = nullptr;
};

// Every optimizer (generated from the folder).
const std::vector<Optimizer>& optimizer_table();
// Throws Error(invalid_argument) naming the nearest known optimizer.
const Optimizer& find_optimizer(const std::string& name);

}  // namespace hone
