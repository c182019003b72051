#include "hone/search/detail/gaussian.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include <hwy/highway.h>

#include "hone/search/detail/minimize.hpp"
#include "hone/search/detail/truncated_normal.hpp"

namespace hone {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr double infinity = std::numeric_limits<double>::infinity();
const double root5 = std::sqrt(5.0);

double dot(const double* a, const double* b, std::size_t count) {
  const hn::ScalableTag<double> lanes;
  const std::size_t width = hn::Lanes(lanes);
  auto first = hn::Zero(lanes), second = first, third = first, fourth = first;
  std::size_t i = 0;
  for (; i + 4 * width <= count; i += 4 * width) {
    first = hn::MulAdd(hn::LoadU(lanes, a + i), hn::LoadU(lanes, b + i), first);
    second = hn::MulAdd(hn::LoadU(lanes, a + i + width), hn::LoadU(lanes, b + i + width), second);
    third =
        hn::MulAdd(hn::LoadU(lanes, a + i + 2 * width), hn::LoadU(lanes, b + i + 2 * width), third);
    fourth = hn::MulAdd(hn::LoadU(lanes, a + i + 3 * width), hn::LoadU(lanes, b + i + 3 * width),
                        fourth);
  }
  double sum =
      hn::GetLane(hn::SumOfLanes(lanes, hn::Add(hn::Add(first, second), hn::Add(third, fourth))));
  for (; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

// In place, the lower triangle by row; false where the matrix is not positive.
bool factor_in_place(std::vector<double>& matrix, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    double* const row = &matrix[i * n];
    for (std::size_t j = 0; j <= i; ++j) {
      const double rest = row[j] - dot(row, &matrix[j * n], j);
      if (j < i)
        row[j] = rest / matrix[j * n + j];
      else if (!(rest > 0))
        return false;
      else
        row[i] = std::sqrt(rest);
    }
  }
  return true;
}

void solve_lower(const std::vector<double>& factor, std::size_t n, std::vector<double>& x) {
  for (std::size_t i = 0; i < n; ++i)
    x[i] = (x[i] - dot(&factor[i * n], x.data(), i)) / factor[i * n + i];
}

void solve_upper(const std::vector<double>& factor, std::size_t n, std::vector<double>& x) {
  for (std::size_t i = n; i-- > 0;) {
    x[i] /= factor[i * n + i];
    for (std::size_t j = 0; j < i; ++j) x[j] -= factor[i * n + j] * x[i];
  }
}

// Rows of the factor's inverse, transposed: row j has column j of it.
std::vector<double> inverse_transposed(const std::vector<double>& factor, std::size_t n) {
  std::vector<double> inverse(n * n, 0);
  for (std::size_t j = 0; j < n; ++j) {
    double* const row = &inverse[j * n];
    row[j] = 1 / factor[j * n + j];
    for (std::size_t i = j + 1; i < n; ++i)
      row[i] = -dot(&factor[i * n + j], row + j, i - j) / factor[i * n + i];
  }
  return inverse;
}

double matern(double square) {
  const double r = root5 * std::sqrt(square);
  return (1 + r + r * r / 3) * std::exp(-r);
}

// By r^2.
double matern_slope(double square) {
  const double r = root5 * std::sqrt(square);
  return -5.0 / 6 * (1 + r) * std::exp(-r);
}

// log(phi(z) + z Phi(z)).
double log_improvement(double z) {
  const double log_density = -0.5 * z * z - 0.5 * std::log(2 * std::numbers::pi);
  if (z > -1)
    return std::log(std::exp(log_density) + z * 0.5 * std::erfc(-z / std::numbers::sqrt2));
  // phi(z) (1 + z Phi(z) / phi(z)); far out the ratio's expansion: 1 / z^2 - 3 / z^4 + ...
  if (z < -1e4) return log_density - 2 * std::log(-z);
  const double ratio = std::exp(log_normal_cdf(z) - log_density);
  const double rest = 1 + z * ratio;
  if (z < -30) {
    const double s = 1 / (z * z);
    return log_density + std::log(s * (1 - 3 * s * (1 - 5 * s * (1 - 7 * s))));
  }
  return log_density + std::log(std::max(rest, 1e-300));
}

double prior(double x, double mean, double deviation, double& slope) {
  const double away = (x - mean) / deviation;
  slope = -away / deviation;
  return -0.5 * away * away;
}

}  // namespace

GaussianProcess::GaussianProcess(std::vector<bool> categorical,
                                 std::vector<std::vector<double>> points,
                                 std::vector<double> values)
    : categorical_(std::move(categorical)), points_(std::move(points)), values_(std::move(values)) {
  parameters_.log_weights.assign(categorical_.size(), -1);
  for (std::size_t i = 0; i < points_.size(); ++i) add_differences(i);
  set(parameters_);
}

void GaussianProcess::add_differences(std::size_t i) {
  for (std::size_t j = 0; j <= i; ++j)
    for (std::size_t d = 0; d < categorical_.size(); ++d)
      differences_.push_back(square(d, points_[i][d], points_[j][d]));
}

double GaussianProcess::square(std::size_t axis, double a, double b) const {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b) ? 0 : 1;
  if (categorical_[axis]) return a == b ? 0 : 1;
  return (a - b) * (a - b);
}

double GaussianProcess::log_posterior(const Parameters& at, std::vector<double>& gradient) const {
  const std::size_t n = points_.size(), axes = categorical_.size();
  gradient.assign(axes + 2, 0);
  std::vector<double> weights;
  for (const double one : at.log_weights) weights.push_back(std::exp(one));
  const double amplitude = std::exp(at.log_amplitude), noise = std::exp(at.log_noise);

  std::vector<double> matrix(n * n, 0), squares(n * n, 0);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      const double sum = dot(weights.data(), differences(i, j), axes);
      squares[i * n + j] = sum;
      matrix[i * n + j] = amplitude * matern(sum) + (i == j ? noise + 1e-8 : 0);
    }
  if (!factor_in_place(matrix, n)) return -infinity;
  std::vector<double> alpha = values_;
  solve_lower(matrix, n, alpha);
  double value = 0;
  for (std::size_t i = 0; i < n; ++i)
    value -= 0.5 * alpha[i] * alpha[i] + std::log(matrix[i * n + i]);
  solve_upper(matrix, n, alpha);
  const std::vector<double> inverse = inverse_transposed(matrix, n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      // K^-1 at i, j from the rows of the factor's inverse.
      const double inverted = dot(&inverse[i * n + i], &inverse[j * n + i], n - i);
      const double pull = (alpha[i] * alpha[j] - inverted) * (i == j ? 0.5 : 1);
      const double slope = pull * amplitude * matern_slope(squares[i * n + j]);
      const double* const difference = differences(i, j);
      for (std::size_t d = 0; d < axes; ++d) gradient[d] += slope * weights[d] * difference[d];
      gradient[axes] += pull * amplitude * matern(squares[i * n + j]);
      if (i == j) gradient[axes + 1] += pull * noise;
    }

  double slope = 0;
  for (std::size_t d = 0; d < axes; ++d) {
    value += prior(at.log_weights[d], 1, 2.5, slope);
    gradient[d] += slope;
  }
  value += prior(at.log_amplitude, 0, 1, slope);
  gradient[axes] += slope;
  value += prior(at.log_noise, -8, 2, slope);
  gradient[axes + 1] += slope;
  return value;
}

void GaussianProcess::fit(int most_steps) {
  const std::size_t axes = categorical_.size();
  const auto pack = [&](const Parameters& from) {
    std::vector<double> x = from.log_weights;
    x.push_back(from.log_amplitude);
    x.push_back(from.log_noise);
    return x;
  };
  const auto unpack = [&](const std::vector<double>& x) {
    return Parameters{
        {x.begin(), x.begin() + static_cast<std::ptrdiff_t>(axes)}, x[axes], x[axes + 1]};
  };
  std::vector<double> low(axes + 2, -14), high(axes + 2, 8);
  low[axes] = -4, high[axes] = 4;
  low[axes + 1] = -14, high[axes + 1] = 0;
  const auto loss = [&](const std::vector<double>& x, std::vector<double>& gradient) {
    const double value = log_posterior(unpack(x), gradient);
    for (double& one : gradient) one = -one;
    return -value;
  };
  // From long and from short length scales: there may be two explanations, noise or detail.
  Parameters start = parameters_;
  std::vector<double> best = pack(start);
  double least = minimize(loss, best, low, high, most_steps);
  for (double& one : start.log_weights) one += 2;
  start.log_noise = -8;
  std::vector<double> other = pack(start);
  if (minimize(loss, other, low, high, most_steps) < least) best = other;
  set(unpack(best));
}

void GaussianProcess::set(const Parameters& parameters) {
  parameters_ = parameters;
  weights_.clear();
  for (const double one : parameters_.log_weights) weights_.push_back(std::exp(one));
  factorize();
}

void GaussianProcess::factorize() {
  const std::size_t n = points_.size();
  const double amplitude = std::exp(parameters_.log_amplitude);
  const double noise = std::exp(parameters_.log_noise);
  double jitter = 1e-8;
  do {
    factor_.assign(n * n, 0);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j <= i; ++j) {
        const double sum = dot(weights_.data(), differences(i, j), weights_.size());
        factor_[i * n + j] = amplitude * matern(sum) + (i == j ? noise + jitter : 0);
      }
    jitter *= 100;
  } while (!factor_in_place(factor_, n) && jitter < 1e3);
  alpha_ = values_;
  solve_lower(factor_, n, alpha_);
  solve_upper(factor_, n, alpha_);
}

std::pair<double, double> GaussianProcess::at(std::span<const double> point) const {
  const std::size_t n = points_.size();
  const double amplitude = std::exp(parameters_.log_amplitude);
  std::vector<double> covariance(n);
  for (std::size_t i = 0; i < n; ++i) {
    double sum = 0;
    for (std::size_t d = 0; d < weights_.size(); ++d)
      sum += weights_[d] * square(d, points_[i][d], point[d]);
    covariance[i] = amplitude * matern(sum);
  }
  const double mean = dot(covariance.data(), alpha_.data(), n);
  solve_lower(factor_, n, covariance);
  return {mean, std::max(amplitude - dot(covariance.data(), covariance.data(), n), 1e-12)};
}

void GaussianProcess::add(std::vector<double> point, double value) {
  points_.push_back(std::move(point));
  values_.push_back(value);
  add_differences(points_.size() - 1);
  factorize();
}

double log_expected_improvement(double bound, double mean, double deviation) {
  return log_improvement((bound - mean) / deviation) + std::log(deviation);
}

double log_expected_volume(const std::vector<std::vector<double>>& front,
                           const std::vector<double>& reference, std::span<const double> means,
                           std::span<const double> deviations) {
  // A strip between two points of the front: how far y is left of its right end, as much of that as
  // lies within, times how far it is below the strip's height; the parts are independent.
  std::vector<double> parts;
  double before = -infinity;
  for (std::size_t i = 0; i <= front.size(); ++i) {
    const double right = i < front.size() ? front[i][0] : reference[0];
    const double height = i == 0 ? reference[1] : front[i - 1][1];
    const double within = log_expected_improvement(right, means[0], deviations[0]);
    if (within > before)
      parts.push_back(
          (before == -infinity ? within : within + std::log1p(-std::exp(before - within))) +
          log_expected_improvement(height, means[1], deviations[1]));
    before = std::max(before, within);
  }
  if (parts.empty()) return -infinity;
  const double most = *std::max_element(parts.begin(), parts.end());
  if (!std::isfinite(most)) return most;
  double sum = 0;
  for (const double part : parts) sum += std::exp(part - most);
  return most + std::log(sum);
}

std::vector<double> made_normal(std::vector<double> values) {
  double low = infinity, high = -infinity;
  for (const double one : values) {
    if (!std::isfinite(one)) continue;
    low = std::min(low, one);
    high = std::max(high, one);
  }
  for (double& one : values) one = low > high ? 0 : std::clamp(one, low, high);
  const auto count = static_cast<double>(values.size());
  const auto scale = [&](std::vector<double>& of) {
    double mean = 0, square = 0;
    for (const double one : of) mean += one / count;
    for (const double one : of) square += (one - mean) * (one - mean) / count;
    const double deviation = std::sqrt(square);
    for (double& one : of)
      one = deviation > 0 && std::isfinite(deviation) ? (one - mean) / deviation : 0;
    return deviation;
  };
  scale(values);
  const auto transformed = [&](double power) {
    std::vector<double> made;
    for (const double y : values)
      made.push_back(
          y >= 0 ? (std::abs(power) < 1e-6 ? std::log1p(y) : (std::pow(y + 1, power) - 1) / power)
                 : (std::abs(power - 2) < 1e-6 ? -std::log1p(-y)
                                               : -(std::pow(1 - y, 2 - power) - 1) / (2 - power)));
    return made;
  };
  double best_power = 1, best = -infinity;
  for (double power = -2; power <= 2.01; power += 0.1) {
    std::vector<double> made = transformed(power);
    const double deviation = scale(made);
    double likelihood = -count * std::log(std::max(deviation, 1e-300));
    for (const double y : values)
      likelihood += (power - 1) * (y < 0 ? -1 : 1) * std::log1p(std::abs(y));
    // (By itself where it makes no difference.)
    if (likelihood > best + 1e-9) {
      best = likelihood;
      best_power = power;
    }
  }
  std::vector<double> made = transformed(best_power);
  scale(made);
  return made;
}

}  // namespace hone
