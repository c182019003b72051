// The normal distribution between two bounds, stable far out in its tails.
#pragma once

namespace hone {

// The logarithm of the standard normal distribution function.
double log_normal_cdf(double x);
// The logarithm of the standard normal's mass between a and b; -infinity unless a < b.
double log_normal_mass(double a, double b);
// x where the standard normal distribution function is p, 0 < p < 1 (Wichura, "Algorithm AS 241",
// Applied Statistics 37, 1988).
double normal_quantile(double p);
// x in [a, b] below which the share `share` in (0, 1) of the mass between them lies. Needs a < b.
double truncated_quantile(double a, double b, double share);

}  // namespace hone
