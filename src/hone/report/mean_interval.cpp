#include "hone/report/mean_interval.hpp"

#include <array>
#include <cmath>

namespace hone {
namespace {

// The 97.5 % point of Student's t with this many degrees of freedom.
double student_t(std::size_t degrees) {
  constexpr std::array<double, 20> table{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365,
                                         2.306,  2.262, 2.228, 2.201, 2.179, 2.160, 2.145,
                                         2.131,  2.120, 2.110, 2.101, 2.093, 2.086};
  if (degrees <= table.size()) return table[degrees - 1];
  // The first terms of its expansion about the normal distribution: within 0.001 from 20 on.
  const double z = 1.959963984540054;
  return z + (z * z * z + z) / (4.0 * static_cast<double>(degrees));
}

}  // namespace

MeanInterval mean_interval(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  MeanInterval result;
  for (double value : values) result.mean += value / n;
  if (values.size() < 2) return result;
  double squares = 0;
  for (double value : values) squares += (value - result.mean) * (value - result.mean);
  result.half_width = student_t(values.size() - 1) * std::sqrt(squares / (n - 1) / n);
  return result;
}

}  // namespace hone
