// Masks of weights: u8, 0 where a number is dropped, 1 where it is kept.
#pragma once

#include "hone/core/tensor.hpp"

namespace hone {

// x where the mask is not 0, else 0. Throws Error(invalid_argument) when the shapes differ.
Tensor apply_mask(const Tensor& x, const Tensor& mask);

}  // namespace hone
