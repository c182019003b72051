#include "hone/report/series.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace hone {

std::vector<double> moving_mean(std::span<const double> values, std::size_t window) {
  const std::size_t half = window / 2;
  std::vector<double> means(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    // Summed anew each time: a running sum would carry an infinity or a huge value along for ever.
    double sum = 0;
    std::size_t count = 0;
    const std::size_t end = std::min(values.size(), i + half + 1);
    for (std::size_t k = i > half ? i - half : 0; k < end; ++k) {
      if (std::isnan(values[k])) continue;
      sum += values[k];
      ++count;
    }
    means[i] =
        count == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(count);
  }
  return means;
}

std::vector<std::size_t> choose_points(std::span<const double> values, std::size_t limit) {
  std::vector<std::size_t> chosen;
  if (values.size() <= limit) {
    chosen.resize(values.size());
    std::iota(chosen.begin(), chosen.end(), std::size_t{0});
    return chosen;
  }
  const std::size_t inner = values.size() - 2;
  const std::size_t stretches = (limit - 2) / 2;
  chosen.push_back(0);
  for (std::size_t s = 0; s < stretches; ++s) {
    const std::size_t begin = 1 + inner * s / stretches;
    const std::size_t end = 1 + inner * (s + 1) / stretches;
    std::size_t lowest = begin, highest = begin;
    for (std::size_t i = begin; i < end; ++i) {
      if (std::isnan(values[lowest]) || values[i] < values[lowest]) lowest = i;
      if (std::isnan(values[highest]) || values[i] > values[highest]) highest = i;
    }
    chosen.push_back(std::min(lowest, highest));
    if (lowest != highest) chosen.push_back(std::max(lowest, highest));
  }
  chosen.push_back(values.size() - 1);
  return chosen;
}

}  // namespace hone
