#include "hone/search/detail/truncated_normal.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace hone {
namespace {

// log(exp(a) - exp(b)) for a >= b.
double log_difference(double a, double b) { return a + std::log1p(-std::exp(b - a)); }

}  // namespace

double log_normal_cdf(double x) {
  if (x > -30)
    return x > 8 ? -0.5 * std::erfc(x / std::numbers::sqrt2)
                 : std::log(0.5 * std::erfc(-x / std::numbers::sqrt2));
  // Asymptotic expansion (Abramowitz and Stegun 26.2.12): below -30 five terms are exact to the
  // last bit.
  const double inverse = 1 / (x * x);
  const double series =
      1 - inverse * (1 - 3 * inverse * (1 - 5 * inverse * (1 - 7 * inverse * (1 - 9 * inverse))));
  return -0.5 * x * x - std::log(-x) - 0.5 * std::log(2 * std::numbers::pi) + std::log(series);
}

double log_normal_mass(double a, double b) {
  if (!(a < b)) return -std::numeric_limits<double>::infinity();
  // Where the bounds are near each other, the difference of the distribution functions has few
  // digits left: the density is a polynomial there (Simpson's rule).
  if (const double width = b - a; width < 1e-3 && std::abs(a) * width < 1e-2) {
    const double middle = a + width / 2;
    const double end_a = std::exp(0.5 * (middle - a) * (middle + a));
    const double end_b = std::exp(0.5 * (middle - b) * (middle + b));
    return std::log(width) - 0.5 * middle * middle - 0.5 * std::log(2 * std::numbers::pi) +
           std::log((end_a + 4 + end_b) / 6);
  }
  if (a > 0) return log_difference(log_normal_cdf(-a), log_normal_cdf(-b));
  if (b < 0) return log_difference(log_normal_cdf(b), log_normal_cdf(a));
  return std::log(0.5 * (std::erf(b / std::numbers::sqrt2) - std::erf(a / std::numbers::sqrt2)));
}

double normal_quantile(double p) {
  const auto ratio = [](const double(&top)[8], const double(&bottom)[8], double r) {
    double up = top[7], down = bottom[7];
    for (int i = 6; i >= 0; --i) {
      up = up * r + top[i];
      down = down * r + bottom[i];
    }
    return up / down;
  };
  const double q = p - 0.5;
  if (std::abs(q) <= 0.425) {
    constexpr double top[8] = {3.3871328727963666080e0, 1.3314166789178437745e2,
                               1.9715909503065514427e3, 1.3731693765509461125e4,
                               4.5921953931549871457e4, 6.7265770927008700853e4,
                               3.3430575583588128105e4, 2.5090809287301226727e3};
    constexpr double bottom[8] = {1.0,
                                  4.2313330701600911252e1,
                                  6.8718700749205790830e2,
                                  5.3941960214247511077e3,
                                  2.1213794301586595867e4,
                                  3.9307895800092710610e4,
                                  2.8729085735721942674e4,
                                  5.2264952788528545610e3};
    return q * ratio(top, bottom, 0.180625 - q * q);
  }
  double r = std::sqrt(-std::log(q < 0 ? p : 1 - p));
  double x = 0;
  if (r <= 5) {
    constexpr double top[8] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                               5.76949722146069140550e0,  3.64784832476320460504e0,
                               1.27045825245236838258e0,  2.41780725177450611770e-1,
                               2.27238449892691845833e-2, 7.74545014278341407640e-4};
    constexpr double bottom[8] = {1.0,
                                  2.05319162663775882187e0,
                                  1.67638483018380384940e0,
                                  6.89767334985100004550e-1,
                                  1.48103976427480074590e-1,
                                  1.51986665636164571966e-2,
                                  5.47593808499534494600e-4,
                                  1.05075007164441684324e-9};
    x = ratio(top, bottom, r - 1.6);
  } else {
    constexpr double top[8] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                               1.78482653991729133580e0,  2.96560571828504891230e-1,
                               2.65321895265761230930e-2, 1.24266094738807843860e-3,
                               2.71155556874348757815e-5, 2.01033439929228813265e-7};
    constexpr double bottom[8] = {1.0,
                                  5.99832206555887937690e-1,
                                  1.36929880922735805310e-1,
                                  1.48753612908506148525e-2,
                                  7.86869131145613259100e-4,
                                  1.84631831751005468180e-5,
                                  1.42151175831644588870e-7,
                                  2.04426310338993978564e-15};
    x = ratio(top, bottom, r - 5);
  }
  return q < 0 ? -x : x;
}

double truncated_quantile(double a, double b, double share) {
  // In the upper half by symmetry: there are more numbers near 0 than near 1.
  if (a > 0) return -truncated_quantile(-b, -a, 1 - share);
  double x = 0;
  if (b > -5) {
    const double below = std::exp(log_normal_cdf(a));
    const double p = below + share * std::exp(log_normal_mass(a, b));
    x = p < 0.9 ? normal_quantile(std::max(p, std::numeric_limits<double>::min()))
                : -normal_quantile(std::max(
                      std::exp(log_normal_cdf(-b)) + (1 - share) * std::exp(log_normal_mass(a, b)),
                      std::numeric_limits<double>::min()));
    return std::clamp(x, a, b);
  }
  // Far out: Newton's method on the logarithm of the distribution function, which is concave there.
  const double low = log_normal_cdf(a), mass = log_normal_mass(a, b);
  const double wanted_part = std::log(share) + mass;
  const double high = std::max(low, wanted_part), less = std::min(low, wanted_part);
  const double wanted = high + std::log1p(std::exp(less - high));
  x = b;
  for (int i = 0; i < 100; ++i) {
    const double value = log_normal_cdf(x);
    const double slope = std::exp(-0.5 * x * x - 0.5 * std::log(2 * std::numbers::pi) - value);
    const double step = (value - wanted) / slope;
    x = std::clamp(x - step, a, b);
    if (std::abs(step) <= 1e-14 * std::abs(x)) break;
  }
  return x;
}

}  // namespace hone
