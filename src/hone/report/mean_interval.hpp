// The mean of a few repeated measurements with its 95 % interval.
#pragma once

#include <vector>

namespace hone {

struct MeanInterval {
  double mean = 0;
  double half_width = 0;  // 95 %, by Student's t; 0 for a single value
};
MeanInterval mean_interval(const std::vector<double>& values);

}  // namespace hone
