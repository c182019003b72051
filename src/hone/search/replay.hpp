// Samples the trials of a study again, each from what its sampler knew then.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hone/search/study.hpp"

namespace hone {

struct ReplaySettings {
  const Space& space;
  Sampling& sampling;
  std::uint64_t seed = 0;
  std::int64_t budget = 0;  // trials that the study was to have
};

// A parameter that came out otherwise.
struct ReplayDifference {
  std::int64_t trial;
  std::string parameter;
  std::string kept, sampled;  // "" where there is none
};

struct Replay {
  std::int64_t trials = 0;  // that were sampled again
  std::vector<ReplayDifference> differences = {};
};

// Trials that have not begun are left out. (Intermediate values that running trials had at that
// time are not kept; no sampler looks at them.)
Replay replay(const std::vector<Direction>& directions, const std::vector<Trial>& trials,
              const ReplaySettings& settings);

}  // namespace hone
