// Tensors over parts of a mapped file, without copying where that is safe.
#pragma once

#include <span>

#include "hone/core/file.hpp"
#include "hone/core/tensor.hpp"

namespace hone {

// True when `part` of `file` can serve as tensor memory in place: aligned for its element size, and
// with one readable cache line after it, because kernels may load whole vectors past the end.
bool can_share(const MappedFile& file, std::span<const std::byte> part, std::size_t element_size);

// A tensor of `part`, which must hold exactly its elements: shares the map, or copies when it
// cannot (or when `file` has no owner).
Tensor tensor_from_map(const MappedFile& file, std::span<const std::byte> part, DType dtype,
                       Shape shape);

}  // namespace hone
