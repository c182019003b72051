// Samplers: which values the next trial has. To add one is to add a file to samplers/.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "hone/core/options.hpp"
#include "hone/core/philox.hpp"
#include "hone/search/trial.hpp"

namespace hone {

struct SampleCall {
  const Space& space;
  std::span<const Direction> directions;
  // Every other trial that has begun, in the order of their numbers; those that run too.
  std::span<const Trial> trials;
  std::int64_t number;      // of the trial that is sampled
  std::uint64_t seed;       // of the study
  Assignment fixed = {};    // values that are given (an enqueued trial)
  std::int64_t budget = 0;  // trials that the study is to have; 0: not known

  // Random numbers of this trial, for one purpose.
  RandomStream random(std::string_view purpose) const;
};

struct Sample {
  Assignment values;  // of every dimension that exists, `fixed` among them
  Attributes system_attributes = {};
  std::string why = {};    // of `auto`: what it picked, and why; else empty
  bool exhausted = false;  // the study has every combination already; the values are one of them
};

// What a sampler keeps between calls is only there to be faster: a result depends on the call
// alone, so that a study replays.
class Sampling {
public:
  virtual ~Sampling() = default;
  virtual Sample sample(const SampleCall& call) = 0;
};

// The contract. Options are complete when `make` gets them; it throws Error(invalid_argument).
struct Sampler : Described {
  std::unique_ptr<Sampling> (*make)(const Options& options) = nullptr;
};
const std::vector<Sampler>& sampler_table();

}  // namespace hone
