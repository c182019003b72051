// Masks and masked weights as hone's own form stores them, where that is smaller:
//
//   MASK.bits             u8[ceil(n / 8)] for the mask u8 of n numbers 0 or 1; lowest bit first,
//                         the bits past the end 0
//   WEIGHT.sparse_values  f32[kept]: the numbers of a masked weight that its mask keeps, in order;
//                         all others are +0
//   WEIGHT.sparse_bits    u8[ceil(n / 8)]: which numbers those are, where it is not the mask that
//                         says so (a dropped number that is not +0)
//
//   CODES.sparse_codes    u8[n]: of the packed codes of a masked weight the one that all dropped
//                         numbers have (four bytes, the lowest first), then those of the others,
//                         end to end
//
// Every number keeps its bits, NaN and -0 too.
#pragma once

#include "hone/core/tensor_store.hpp"
#include "hone/graph/graph.hpp"

namespace hone {

// `tensors` (those of `graph`, and any others) as they are stored.
TensorStore store_sparse(const Graph& graph, const TensorStore& tensors);
// The opposite. Throws Error(bad_format) naming the tensor when sizes, bits and values do not fit
// together.
TensorStore restore_sparse(const Graph& graph, const TensorStore& stored);
// Whether bits or values are stored so, and whether codes are.
bool holds_sparse(const Graph& graph, const TensorStore& stored);
bool holds_sparse_codes(const Graph& graph, const TensorStore& stored);

}  // namespace hone
