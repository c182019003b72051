// MASE's formats with scales or levels computed from the numbers, and learned step sizes.
#pragma once

#include <span>

#include "hone/core/tensor.hpp"

namespace hone::mase {

// A row (of the last axis) is scaled so that its largest magnitude is 2^(width - 1).
Tensor scale_integer(const Tensor& x, int width, bool is_signed);

// The sum of the levels, each the sign of what the levels before left, times |means[l]|; or the
// levels by themselves (stacked on a new first axis when there are several).
Tensor residual_sign_sum(const Tensor& x, std::span<const float> means);
Tensor residual_sign(const Tensor& x, std::span<const float> means);
// The gradient of the sum with respect to x.
Tensor residual_sign_gradient(const Tensor& x, const Tensor& gradient,
                              std::span<const float> means);
// (L - l) / (1 + ... + L)
std::vector<float> standard_means(int levels);

// bipolar: +1 and -1; else the mean magnitude of each index of the first axis where x > 0, for four
// dimensions only. `random` (uniform, one an element) or null: deterministic.
Tensor binary(const Tensor& x, bool stochastic, bool bipolar, const Tensor* random);
// -1, 0 and +1 (or times the mean magnitude of the others), for four dimensions only.
Tensor ternary(const Tensor& x, bool scaling_factor);

// The learned step size `step` at `levels` levels.
Tensor learned_step(const Tensor& x, int levels, bool symmetric, float step);

}  // namespace hone::mase
