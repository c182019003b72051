// What the ops that drop small numbers of data share.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "hone/ops/detail/common.hpp"

namespace hone {

inline OptionSpec sparsity_option() {
  return {"sparsity", OptionType::real, 0.0, "share of the numbers that are dropped", 0, 1};
}

// How many of n numbers are dropped.
inline std::int64_t dropped_of(std::int64_t n, double sparsity) {
  return static_cast<std::int64_t>(std::floor(sparsity * static_cast<double>(n) + 0.5));
}

inline std::vector<ValueType> infer_sparsify(const char* op, const OpTypes& t) {
  if (!is_matrix(t[0])) fail_shapes(op, "x f32[R,N]", t);
  return {t[0], {DType::u8, t[0].dims}};
}

// The numbers that stayed have the gradient.
inline std::vector<ValueId> sparsify_gradient(const GradientCall& call) {
  return {call.graph.apply("mask", {call.grad(), call.out(1)})};
}

// Magnitudes that lie far apart, in no order: small steps change no rank.
inline Tensor spread_tensor(Shape shape, std::uint32_t seed) {
  Tensor tensor(DType::f32, std::move(shape));
  RandomStream random(seed, 5);
  for (std::int64_t r = 0; r < row_count(tensor); ++r) {
    const std::int64_t n = row_size(tensor);
    const std::int64_t middle = n / 2;
    float* x = tensor.as<float>() + r * n;
    for (std::int64_t i = 0; i < n; ++i)
      x[i] = static_cast<float>(std::pow(1.25, static_cast<double>(i - middle)) *
                                (random.below(2) == 0 ? 1 : -1));
    for (std::int64_t i = n - 1; i > 0; --i)
      std::swap(x[i], x[random.below(static_cast<std::uint32_t>(i + 1))]);
  }
  return tensor;
}

}  // namespace hone
