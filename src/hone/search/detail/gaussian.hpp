// Gaussian process regression over the axes of a space.
#pragma once

#include <span>
#include <utility>
#include <vector>

namespace hone {

// Kernel: s^2 Matern 5/2 of r, r^2 = sum over axes of weight d^2. d is the difference of two
// coordinates; of a categorical axis, and where one point has the axis and the other does not, 0
// where they are the same and else 1.
class GaussianProcess {
public:
  struct Parameters {
    std::vector<double> log_weights;  // by axis: -2 log(length scale)
    double log_amplitude = 0;         // of s^2
    double log_noise = -4;            // of the noise's variance
  };
  // Points in coordinates (NaN: not there) and what was observed, about of mean 0 and variance 1.
  GaussianProcess(std::vector<bool> categorical, std::vector<std::vector<double>> points,
                  std::vector<double> values);

  // The parameters of largest posterior density. Priors, all normal: log_weights around 1 with
  // deviation 2.5 (length scales around 0.6 of an axis), log_amplitude around 0 with 1, log_noise
  // around -8 with 2. At most `most_steps` of L-BFGS from each of two starts.
  void fit(int most_steps);
  void set(const Parameters& parameters);
  const Parameters& parameters() const { return parameters_; }
  // The logarithm of the posterior density of parameters but for a constant, and its gradient by
  // log_weights, log_amplitude, log_noise. -infinity where the matrix has no factor.
  double log_posterior(const Parameters& at, std::vector<double>& gradient) const;

  // Mean and variance of the function (noise left out) at a point.
  std::pair<double, double> at(std::span<const double> point) const;
  // The mean at the process' own point k.
  double mean_at_own(std::size_t k) const { return at(points_[k]).first; }
  // Adds a point without fitting again.
  void add(std::vector<double> point, double value);

  std::size_t size() const { return points_.size(); }
  const std::vector<double>& values() const { return values_; }

private:
  double square(std::size_t axis, double a, double b) const;
  void add_differences(std::size_t i);
  // By axis, of points i >= j.
  const double* differences(std::size_t i, std::size_t j) const {
    return &differences_[(i * (i + 1) / 2 + j) * categorical_.size()];
  }
  void factorize();

  std::vector<bool> categorical_;
  std::vector<std::vector<double>> points_;
  std::vector<double> values_;
  std::vector<double> differences_;
  Parameters parameters_;
  std::vector<double> weights_;
  std::vector<double> factor_;  // lower triangle of K, by row
  std::vector<double> alpha_;   // K^-1 values
};

// The logarithm of E[max(0, bound - y)] for a normal y (Ament et al., "Unexpected improvements to
// expected improvement for Bayesian optimization", 2023), stable where it is tiny.
double log_expected_improvement(double bound, double mean, double deviation);
// The logarithm of the expected gain in hypervolume of a point with two independent normal
// objectives. `front`: points that do not dominate each other, by the first objective, all below
// the reference (strips as in Yang et al., "Efficient computation of expected hypervolume
// improvement", 2019).
double log_expected_volume(const std::vector<std::vector<double>>& front,
                           const std::vector<double>& reference, std::span<const double> means,
                           std::span<const double> deviations);
// The power transform of Yeo and Johnson (Biometrika 87, 2000) of largest normal likelihood, then
// scaled to mean 0 and variance 1. Increasing. What is not finite becomes the worst or best finite
// value first.
std::vector<double> made_normal(std::vector<double> values);

}  // namespace hone
