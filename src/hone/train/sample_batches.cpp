#include "hone/train/sample_batches.hpp"

#include <algorithm>

namespace hone {

void for_sample_batches(const Dataset& data, std::int64_t count,
                        const std::function<void(std::int64_t done, std::int64_t total)>& progress,
                        const std::function<void(SampleNumbers)>& run) {
  constexpr std::int64_t batch_samples = 8;
  count = std::min(count, data.size());
  for (std::int64_t begin = 0; begin < count; begin += batch_samples) {
    const std::int64_t end = std::min(count, begin + batch_samples);
    std::vector<std::int64_t> numbers;
    for (std::int64_t i = begin; i < end; ++i) numbers.push_back(i * data.size() / count);
    run(numbers);
    if (progress) progress(end, count);
  }
}

}  // namespace hone
