// GELU and its derivative in double precision (Hendrycks and Gimpel, arXiv 1606.08415).
#pragma once

#include <cmath>
#include <string>

#include "hone/core/options.hpp"

namespace hone {

inline double gelu_erf(double x) { return 0.5 * x * std::erfc(-x * 0.70710678118654752); }
inline double gelu_erf_derivative(double x) {
  return 0.5 * std::erfc(-x * 0.70710678118654752) +
         x * 0.39894228040143268 * std::exp(-0.5 * x * x);
}
// x / 2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
inline double gelu_tanh(double x) {
  return 0.5 * x * (1.0 + std::tanh(0.79788456080286536 * (x + 0.044715 * x * x * x)));
}
inline double gelu_tanh_derivative(double x) {
  const double t = std::tanh(0.79788456080286536 * (x + 0.044715 * x * x * x));
  return 0.5 * (1.0 + t) +
         0.5 * x * (1.0 - t * t) * 0.79788456080286536 * (1.0 + 3 * 0.044715 * x * x);
}

inline OptionSpec gelu_option() {
  return {.name = "approximate",
          .type = OptionType::text,
          .default_value = std::string("none"),
          .help = "none: by erf; tanh: the tanh formula",
          .choices = {"none", "tanh"}};
}

}  // namespace hone
