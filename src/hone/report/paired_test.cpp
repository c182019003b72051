#include "hone/report/paired_test.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace hone {
namespace {

// Below this many samples the chi-square approximation is too coarse.
constexpr std::int64_t exact_below = 25;

double binomial_p(std::int64_t fewer, std::int64_t count) {
  double term = std::ldexp(1.0, -static_cast<int>(count));
  double sum = 0;
  for (std::int64_t k = 0; k <= fewer; ++k) {
    sum += term;
    term *= static_cast<double>(count - k) / static_cast<double>(k + 1);
  }
  return std::min(1.0, 2 * sum);
}

}  // namespace

PairedTest mcnemar(std::int64_t only_first, std::int64_t only_second) {
  PairedTest test{only_first, only_second};
  const std::int64_t count = only_first + only_second;
  test.exact = count < exact_below;
  if (test.exact) {
    test.p = binomial_p(std::min(only_first, only_second), count);
    return test;
  }
  const double apart = std::max(0.0, std::abs(static_cast<double>(only_first - only_second)) - 1);
  // The upper tail of chi-square with one degree of freedom.
  test.p = std::erfc(std::sqrt(apart * apart / static_cast<double>(count) / 2));
  return test;
}

std::string format_p(double p) {
  if (std::isnan(p)) return "—";
  return p < 1e-4 ? "< 0.0001" : fmt::format("{:.4f}", p);
}

}  // namespace hone
