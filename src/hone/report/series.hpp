// Long series made drawable: a moving mean, and a choice of points that keeps every extreme.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace hone {

// The mean over a window of `window` values (odd) centred on each; NaN values are left out, the
// window is cut at both ends. A window without any value is NaN.
std::vector<double> moving_mean(std::span<const double> values, std::size_t window);

// The indices of at most `limit` (at least 4) values to draw, ascending: all of them when they fit,
// otherwise the first, the last, and the smallest and largest of equal stretches between.
std::vector<std::size_t> choose_points(std::span<const double> values, std::size_t limit);

}  // namespace hone
