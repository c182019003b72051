// Masks as MASE makes them: numbers above a quantile of the magnitudes, in float32.
#pragma once

#include <cstdint>
#include <vector>

#include "hone/core/tensor.hpp"

namespace hone::mase {

// The quantile of |x| over all tensors, as torch.quantile gives it (linear interpolation); NaN
// where one of them is NaN. 0 of no numbers.
float magnitude_quantile(const std::vector<const Tensor*>& tensors, double sparsity);
// u8: 1 where |x| > threshold, strictly: ties with it go, and sparsity 0 drops the smallest.
Tensor above(const Tensor& x, float threshold);
// Each number is dropped by itself with probability `sparsity`: the share is right on average.
Tensor drawn(const Shape& shape, double sparsity, std::uint64_t seed, std::uint32_t stream);

}  // namespace hone::mase
