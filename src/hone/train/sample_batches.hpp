// A few samples at a time, taken evenly from the data.
#pragma once

#include <functional>

#include "hone/tasks/task.hpp"

namespace hone {

// Hands out the numbers of `count` samples (or of all, where there are fewer); `progress` may be
// empty.
void for_sample_batches(const Dataset& data, std::int64_t count,
                        const std::function<void(std::int64_t done, std::int64_t total)>& progress,
                        const std::function<void(SampleNumbers)>& run);

}  // namespace hone
