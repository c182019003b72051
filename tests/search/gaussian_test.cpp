#include "hone/search/detail/gaussian.hpp"

#include <cmath>
#include <limits>
#include <numeric>

#include <gtest/gtest.h>

#include "hone/core/philox.hpp"
#include "hone/search/detail/minimize.hpp"
#include "hone/search/detail/pareto.hpp"

namespace hone {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

struct Data {
  std::vector<bool> categorical{false, true, false};
  std::vector<std::vector<double>> points;
  std::vector<double> values;

  explicit Data(int count) {
    RandomStream random(1, 2);
    for (int i = 0; i < count; ++i) {
      const double c = random.below(3);
      points.push_back({random.uniform(), c, i % 3 == 0 ? nan : random.uniform()});
      values.push_back(std::sin(6 * points.back()[0]) + 0.3 * c + 0.1 * random.normal());
    }
  }
};

const GaussianProcess::Parameters example{{1.5, -0.5, 0.3}, 0.4, -2.5};

double kernel(const Data& data, const std::vector<double>& a, const std::vector<double>& b) {
  double square = 0;
  for (std::size_t d = 0; d < 3; ++d) {
    double one = 0;
    if (std::isnan(a[d]) != std::isnan(b[d]))
      one = 1;
    else if (!std::isnan(a[d]))
      one = data.categorical[d] ? a[d] != b[d] : (a[d] - b[d]) * (a[d] - b[d]);
    square += std::exp(example.log_weights[d]) * one;
  }
  const double r = std::sqrt(5 * square);
  return std::exp(example.log_amplitude) * (1 + r + r * r / 3) * std::exp(-r);
}

// Gauss and Jordan: the inverse of K times a right-hand side, and log |K|.
std::vector<double> solve(std::vector<std::vector<double>> k, std::vector<double> b,
                          double& log_det) {
  const std::size_t n = b.size();
  log_det = 0;
  for (std::size_t i = 0; i < n; ++i) {
    log_det += std::log(k[i][i]);
    for (std::size_t r = 0; r < n; ++r) {
      if (r == i) continue;
      const double factor = k[r][i] / k[i][i];
      for (std::size_t c = i; c < n; ++c) k[r][c] -= factor * k[i][c];
      b[r] -= factor * b[i];
    }
  }
  for (std::size_t i = 0; i < n; ++i) b[i] /= k[i][i];
  return b;
}

TEST(GaussianProcess, PosteriorIsThePlainFormula) {
  const Data data(12);
  GaussianProcess process(data.categorical, data.points, data.values);
  process.set(example);
  std::vector<std::vector<double>> k;
  for (const auto& a : data.points) {
    k.emplace_back();
    for (const auto& b : data.points)
      k.back().push_back(kernel(data, a, b) + (&a == &b ? std::exp(example.log_noise) + 1e-8 : 0));
  }
  double log_det = 0;
  for (const std::vector<double>& at :
       {std::vector<double>{0.3, 1, 0.5}, {0.9, 2, nan}, data.points[4]}) {
    std::vector<double> covariance;
    for (const auto& point : data.points) covariance.push_back(kernel(data, point, at));
    const auto mean_part = solve(k, data.values, log_det);
    const auto variance_part = solve(k, covariance, log_det);
    const double mean =
        std::inner_product(covariance.begin(), covariance.end(), mean_part.begin(), 0.0);
    const double variance =
        kernel(data, at, at) -
        std::inner_product(covariance.begin(), covariance.end(), variance_part.begin(), 0.0);
    EXPECT_NEAR(process.at(at).first, mean, 1e-9);
    EXPECT_NEAR(process.at(at).second, variance, 1e-9);
  }
}

TEST(GaussianProcess, GradientIsTheOneOfFiniteDifferences) {
  const Data data(15);
  GaussianProcess process(data.categorical, data.points, data.values);
  std::vector<double> gradient, unused;
  process.log_posterior(example, gradient);
  ASSERT_EQ(gradient.size(), 5u);
  for (std::size_t i = 0; i < 5; ++i) {
    const double step = 1e-5;
    const auto moved = [&](double by) {
      GaussianProcess::Parameters at = example;
      (i < 3 ? at.log_weights[i] : i == 3 ? at.log_amplitude : at.log_noise) += by;
      return process.log_posterior(at, unused);
    };
    EXPECT_NEAR(gradient[i], (moved(step) - moved(-step)) / (2 * step),
                1e-5 * (1 + std::abs(gradient[i])));
  }
}

TEST(GaussianProcess, FitFindsWhatMatters) {
  RandomStream random(3, 1);
  std::vector<std::vector<double>> points;
  std::vector<double> values;
  for (int i = 0; i < 40; ++i) {
    points.push_back({random.uniform(), random.uniform(), random.uniform()});
    values.push_back(std::sin(5 * points.back()[1]));
  }
  GaussianProcess process({false, false, false}, points, made_normal(values));
  std::vector<double> gradient;
  const double before = process.log_posterior(process.parameters(), gradient);
  process.fit(60);
  EXPECT_GT(process.log_posterior(process.parameters(), gradient), before + 5);
  EXPECT_GT(process.parameters().log_weights[1], process.parameters().log_weights[0] + 3);
  EXPECT_GT(process.parameters().log_weights[1], process.parameters().log_weights[2] + 3);
  // Points that stand twice, and equal values, have a process too.
  GaussianProcess equal({false}, {{0.5}, {0.5}, {0.5}}, {0, 0, 0});
  equal.fit(20);
  EXPECT_TRUE(std::isfinite(equal.at(std::vector<double>{0.1}).second));
}

TEST(GaussianProcess, AddedPointsCount) {
  const Data data(10);
  GaussianProcess whole(data.categorical, data.points, data.values);
  auto fewer = data.points;
  auto values = data.values;
  const auto last = fewer.back();
  const double value = values.back();
  fewer.pop_back();
  values.pop_back();
  GaussianProcess grown(data.categorical, fewer, values);
  grown.add(last, value);
  const std::vector<double> at{0.2, 1, nan};
  EXPECT_DOUBLE_EQ(whole.at(at).first, grown.at(at).first);
  EXPECT_DOUBLE_EQ(whole.at(at).second, grown.at(at).second);
}

// E[max(0, bound - y)] by Simpson's rule over the density.
TEST(ExpectedImprovement, IsTheIntegral) {
  for (const double z : {-6.0, -2.0, -1.0, -0.5, 0.0, 1.0, 4.0}) {
    const double mean = 1, deviation = 0.5, bound = mean + z * deviation;
    const int steps = 20000;
    const double low = std::min(mean - 12 * deviation, bound - 1), width = bound - low;
    double sum = 0;
    for (int i = 0; i <= steps; ++i) {
      const double y = low + width * i / steps, t = (y - mean) / deviation;
      sum += (i == 0 || i == steps ? 1
              : i % 2 == 1         ? 4
                                   : 2) *
             (bound - y) * std::exp(-0.5 * t * t) / deviation / std::sqrt(2 * M_PI);
    }
    EXPECT_NEAR(log_expected_improvement(bound, mean, deviation), std::log(sum * width / steps / 3),
                1e-6)
        << z;
  }
  // Far out: log(phi(z) / z^2) and falling all the way.
  double last = 0;
  for (double z = -1; z > -1e6; z *= 1.3) {
    const double value = log_expected_improvement(z, 0, 1);
    EXPECT_LT(value, last);
    last = value;
    if (z < -100)
      EXPECT_NEAR(value, -0.5 * z * z - 0.5 * std::log(2 * M_PI) - 2 * std::log(-z), 1e-3);
  }
}

// By drawing.
TEST(ExpectedVolume, IsTheMeanGain) {
  const std::vector<std::vector<double>> front{{0, 2}, {0.5, 1}, {1.5, 0.2}};
  const Point reference{2, 3};
  RandomStream random(9, 9);
  for (const auto& [mean, deviation] :
       {std::pair<std::vector<double>, std::vector<double>>{{0.4, 0.8}, {0.3, 0.4}},
        {{2, 2.5}, {0.5, 0.5}},
        {{-0.5, 2.5}, {0.2, 0.2}}}) {
    double sum = 0, squares = 0;
    const double before = hypervolume(front, reference);
    const int draws = 5000;
    for (int i = 0; i < draws; ++i) {
      auto points = front;
      points.push_back(
          {mean[0] + deviation[0] * random.normal(), mean[1] + deviation[1] * random.normal()});
      const double gain = hypervolume(points, reference) - before;
      sum += gain;
      squares += gain * gain;
    }
    const double expected = std::exp(log_expected_volume(front, reference, mean, deviation));
    // Within four standard errors.
    const double error = std::sqrt((squares / draws - std::pow(sum / draws, 2)) / draws);
    EXPECT_NEAR(expected, sum / draws, 4 * error);
  }
  // Without a front: the product of two improvements.
  EXPECT_NEAR(log_expected_volume({}, {1, 1}, std::vector<double>{0, 0}, std::vector<double>{1, 1}),
              2 * log_expected_improvement(1, 0, 1), 1e-12);
}

TEST(MadeNormal, IncreasesAndScales) {
  std::vector<double> values;
  for (int i = 0; i < 50; ++i) values.push_back(std::exp(0.2 * i));
  const auto made = made_normal(values);
  double sum = 0, square = 0;
  for (std::size_t i = 0; i < made.size(); ++i) {
    if (i > 0) EXPECT_GT(made[i], made[i - 1]);
    sum += made[i];
    square += made[i] * made[i];
  }
  EXPECT_NEAR(sum, 0, 1e-9);
  EXPECT_NEAR(square / 50, 1, 1e-9);
  EXPECT_EQ(made_normal({3, 3, 3}), (std::vector<double>{0, 0, 0}));
  const auto bounded = made_normal(
      {1, 2, std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()});
  EXPECT_EQ(bounded[2], bounded[1]);
  EXPECT_EQ(bounded[3], bounded[0]);
}

TEST(Minimize, RosenbrockAndBounds) {
  const auto rosenbrock = [](const std::vector<double>& x, std::vector<double>& gradient) {
    const double a = 1 - x[0], b = x[1] - x[0] * x[0];
    gradient = {-2 * a - 400 * x[0] * b, 200 * b};
    return a * a + 100 * b * b;
  };
  std::vector<double> x{-1.2, 1};
  EXPECT_LT(minimize(rosenbrock, x, {-5, -5}, {5, 5}, 200), 1e-8);
  EXPECT_NEAR(x[0], 1, 1e-3);
  x = {-1.2, 1};
  minimize(rosenbrock, x, {-5, -5}, {0.5, 5}, 200);
  EXPECT_NEAR(x[0], 0.5, 1e-6);
  EXPECT_NEAR(x[1], 0.25, 1e-3);
}

}  // namespace
}  // namespace hone
