#include "hone/search/detail/truncated_normal.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace hone {
namespace {

double density(double x) { return std::exp(-0.5 * x * x) / std::sqrt(2 * M_PI); }

// Simpson's rule.
double integral(double a, double b, int steps = 2000) {
  double sum = density(a) + density(b);
  for (int i = 1; i < steps; ++i) sum += density(a + (b - a) * i / steps) * (i % 2 == 1 ? 4 : 2);
  return sum * (b - a) / steps / 3;
}

TEST(TruncatedNormal, MassIsTheIntegralOfTheDensity) {
  const double bounds[] = {-8, -3, -1, -0.2, -1e-4, 0, 1e-4, 0.3, 1, 2.5, 6, 8};
  for (const double a : bounds)
    for (const double b : bounds)
      if (a < b) {
        const double mass = std::exp(log_normal_mass(a, b));
        EXPECT_NEAR(mass / integral(a, b), 1, 1e-9) << a << " " << b;
      }
  EXPECT_EQ(log_normal_mass(1, 1), -INFINITY);
  EXPECT_EQ(log_normal_mass(2, 1), -INFINITY);
}

TEST(TruncatedNormal, TailsHaveDigitsLeft) {
  // Mills' ratio: density / x (1 - 1/x^2 + 3/x^4 - ...) above x.
  for (const double x : {12.0, 29.0, 31.0, 60.0, 1000.0}) {
    const double s = 1 / (x * x);
    const double tail = -0.5 * x * x - 0.5 * std::log(2 * M_PI) - std::log(x) +
                        std::log(1 - s + 3 * s * s - 15 * s * s * s + 105 * s * s * s * s);
    EXPECT_NEAR(log_normal_cdf(-x) / tail, 1, 1e-7) << x;
    EXPECT_NEAR(log_normal_mass(x, x + 50) / tail, 1, 1e-7) << x;
    EXPECT_NEAR(log_normal_mass(-x - 50, -x) / tail, 1, 1e-7) << x;
  }
  // A cell so narrow that the difference of the distribution functions has no digits.
  EXPECT_NEAR(log_normal_mass(3, 3 + 1e-12), std::log(density(3) * ((3 + 1e-12) - 3)), 1e-9);
  EXPECT_NEAR(log_normal_mass(0.5, 0.5 + 1e-5), std::log(integral(0.5, 0.5 + 1e-5)), 1e-10);
}

TEST(TruncatedNormal, QuantileInvertsTheDistributionFunction) {
  for (const double p : {1e-300, 1e-20, 1e-6, 0.02, 0.3, 0.5, 0.7, 0.99})
    EXPECT_NEAR(log_normal_cdf(normal_quantile(p)) / std::log(p), 1, 1e-12) << p;
}

TEST(TruncatedNormal, TruncatedQuantileSplitsTheMass) {
  const double ranges[][2] = {{-1, 2},   {-0.01, 0.01}, {3, 9},   {-40, -35},    {35, 36},
                              {-60, 60}, {-1e-9, 1e-9}, {6, 6.1}, {-200, -199.9}};
  for (const auto& [a, b] : ranges)
    for (const double share : {1e-6, 0.1, 0.5, 0.8, 1 - 1e-6}) {
      const double x = truncated_quantile(a, b, share);
      ASSERT_GE(x, a);
      ASSERT_LE(x, b);
      EXPECT_NEAR(std::exp(log_normal_mass(a, x) - log_normal_mass(a, b)), share, 2e-6)
          << a << " " << b << " " << share;
    }
}

}  // namespace
}  // namespace hone
