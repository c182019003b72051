// How long models take for one sample, measured side by side: a change is faster only where that
// shows above the noise of the machine.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "hone/model/model.hpp"
#include "hone/record/transform_events.hpp"

namespace hone {

// Wall seconds of one sample: a text, a picture.
struct Latency {
  std::string name;
  double median = 0, low = 0, high = 0;  // low, high: the 10th and the 90th percentile
  std::vector<double> seconds = {};      // of each round, in order
};

struct LatencyCandidate {
  std::string name;
  Model model;  // as it is, run compiled
  std::vector<std::string> disabled_passes = {};
};

struct LatencyOptions {
  std::int64_t tokens = 0;  // of the text; 0: 128, or the model's limit where that is lower
  // Rounds go on until both are reached, or max_rounds are; slow models take few.
  double seconds = 0.4;  // of all measured rounds together
  int min_rounds = 7, max_rounds = 201;
};

// Texts of so many tokens each, drawn at random: no kernel looks at what the ids say.
std::map<std::string, Tensor> random_texts(const Model& model, std::int64_t sequences,
                                           std::int64_t tokens);

// The length of the text that is measured, of a model with these limits. Throws
// Error(invalid_argument), with the model's name, for more tokens than it takes.
std::int64_t latency_tokens(const TextLimits& limits, std::int64_t tokens, const std::string& name);

// Runs every candidate once in each round, each round beginning with another one, so that what
// else the machine does falls on all alike; rounds before that warm up and are not counted. On the
// threads that are set. One entry a candidate, in order. Throws what running throws.
std::vector<Latency> measure_latency(const std::vector<LatencyCandidate>& candidates,
                                     const LatencyOptions& options = {});

// How many times faster `changed` is than `base`: the median over the rounds of their ratios, with
// an interval that holds the true median with at least 95 % (order statistics of the binomial).
struct Speedup {
  double ratio = 1, low = 0, high = 0;
  // Outside the noise, and by more than where two copies of one model may lie in memory changes.
  static constexpr double least = 1.02;
  bool faster() const { return low > 1 && ratio >= least; }
  bool slower() const { return high < 1 && ratio <= 1 / least; }
};
// Of two entries of one measurement (equally many rounds).
Speedup speedup(const Latency& base, const Latency& changed);
// "1.84 x as fast (1.80 to 1.88)", "no faster (1.00 x, 0.98 to 1.02)", "slower (0.71 x, ...)".
std::string to_string(const Speedup& speedup);

// As records have it: all but the first entry are compared with the first.
std::vector<LatencyEntry> latency_entries(std::span<const Latency> latencies);

}  // namespace hone
