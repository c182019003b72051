// What the kernels of dense_attention share on every vector target: tensors, the mask.
#pragma once

#include <cstddef>
#include <limits>

#include "hone/backend/kernel.hpp"
#include "hone/core/round_up.hpp"
#include "hone/ops/detail/dense_attention.hpp"

namespace hone {

struct DenseMask {
  const void* data = nullptr;  // null: none
  DType dtype = DType::f32;
  MaskStrides strides = {};

  explicit operator bool() const { return data != nullptr; }
  std::int64_t offset(std::int64_t batch, std::int64_t head, std::int64_t query,
                      std::int64_t key) const {
    return batch * strides.batch + head * strides.head + query * strides.query + key * strides.key;
  }
  // What is added to a score; -infinity where a boolean one hides.
  float number_at(std::int64_t at) const {
    if (dtype == DType::boolean)
      return static_cast<const bool*>(data)[at] ? 0.0f : -std::numeric_limits<float>::infinity();
    if (dtype == DType::f32) return static_cast<const float*>(data)[at];
    const std::uint16_t bits = static_cast<const std::uint16_t*>(data)[at];
    return dtype == DType::f16 ? f16_to_f32(bits) : bf16_to_f32(bits);
  }
  // Whether it hides the first `keys` keys from a query.
  bool hides_all(std::int64_t batch, std::int64_t head, std::int64_t query,
                 std::int64_t keys) const {
    if (data == nullptr) return keys == 0;
    for (std::int64_t key = 0; key < keys; ++key)
      if (number_at(offset(batch, head, query, key)) != -std::numeric_limits<float>::infinity())
        return false;
    return true;
  }
};
inline DenseMask dense_mask(const KernelCall& call, std::size_t input) {
  if (!call.has(input)) return {};
  const TensorView& mask = call.in(input);
  return {mask.data, mask.dtype, mask_strides(mask.dims.data(), mask.rank)};
}

inline std::byte* at_element(void* data, std::int64_t element, DType dtype) {
  return static_cast<std::byte*>(data) + element * static_cast<std::int64_t>(size_of(dtype));
}

// Keys of a block: as many as keep its panels and a block of scores in the second cache.
inline std::int64_t dense_key_block(std::int64_t head_size, std::int64_t most) {
  const std::int64_t block = most * 64 / (head_size < 1 ? 1 : head_size) / 64 * 64;
  return block < 64 ? 64 : block > most ? most : block;
}
// (Vectors have 16 lanes at most.)
inline std::int64_t dense_padded(std::int64_t n) { return round_up(n, 16); }

}  // namespace hone
