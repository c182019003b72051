// AdamW (Loshchilov and Hutter, arXiv 1711.05101) with PyTorch's order of operations; what its
// three ops share.
#pragma once

#include "hone/ops/detail/common.hpp"

namespace hone {

std::vector<OptionSpec> adamw_options();

struct AdamwSettings {
  double beta1;
  double beta2;
  double epsilon;
  double weight_decay;
};
AdamwSettings adamw_settings(const Options& attributes);

// One step for one element. `step` counts from 1; `gradient` is already clipped.
inline void adamw_element(double& p, double& m, double& v, double gradient, double lr,
                          std::int64_t step, const AdamwSettings& s) {
  const auto t = static_cast<double>(step);
  p *= 1.0 - lr * s.weight_decay;
  m = s.beta1 * m + (1.0 - s.beta1) * gradient;
  v = s.beta2 * v + (1.0 - s.beta2) * gradient * gradient;
  const double denominator = std::sqrt(v) / std::sqrt(1.0 - std::pow(s.beta2, t)) + s.epsilon;
  p -= lr / (1.0 - std::pow(s.beta1, t)) * m / denominator;
}

// Throws Error(invalid_argument): lazy updates meet the ids of a batch before the lookup does.
void check_table_row(const char* op, std::int32_t row, std::int64_t rows);

// Brings one row of `width` elements from step `last` to step `until` with zero gradients, step by
// step: what "lazily but exactly" means.
void adamw_catch_up(float* p, float* m, float* v, std::int64_t width, std::int64_t last,
                    std::int64_t until, const float* schedule, const AdamwSettings& settings);

}  // namespace hone
