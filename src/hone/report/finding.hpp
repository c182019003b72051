// What a report found, in one sentence: its headline.
#pragma once

#include <span>
#include <string>

#include "hone/report/summary.hpp"
#include "hone/report/sweep.hpp"

namespace hone {

// "97.10 % test accuracy (95.87–97.97), best at epoch 3 of 3"; of several runs which is best, or
// that no difference was detected; of one configuration with several seeds their mean; of a sweep
// from how many bits on nothing is lost. Where nothing was measured, how far it came.
std::string describe_finding(std::span<const RunSummary> runs);
// "8 bits cost no detectable accuracy (n = 1,000)"; "" without a comparison to float32.
std::string describe_cost(const Sweep& sweep);

// "n = 25,000"; "" when not recorded.
std::string sample_count(double samples);

}  // namespace hone
