// What the kernels of dense_attention share on every vector target: tensors, the mask.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

#include "hone/backend/kernel.hpp"
#include "hone/core/round_up.hpp"
#include "hone/core/threads.hpp"
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

// The forward pass: an item is a chunk of the queries of a head.
struct DenseForward {
  DenseAttentionSizes sizes;
  DType dtype;
  void *q, *k, *v, *o;
  float* log_sum;
  DenseMask mask;
  std::int64_t chunk;

  std::int64_t chunks() const { return (sizes.queries + chunk - 1) / chunk; }
  std::int64_t items() const { return sizes.batch * sizes.heads * chunks(); }
  std::int64_t batch_of(std::int64_t item) const { return item / chunks() / sizes.heads; }
  std::int64_t head_of(std::int64_t item) const { return item / chunks() % sizes.heads; }
};
// At most `most` queries an item; fewer, down to about `least`, where there are few heads for the
// threads.
inline DenseForward dense_forward(const KernelCall& call, std::int64_t most, std::int64_t least) {
  DenseForward f{dense_attention_sizes(call.in(0).dims.data(), call.in(1).dims.data(),
                                       call.in(2).dims.data(), *call.attributes),
                 call.in(0).dtype,
                 call.in(0).data,
                 call.in(1).data,
                 call.in(2).data,
                 call.out(0).data,
                 call.out(1).as(),
                 dense_mask(call, 3),
                 most};
  while (f.chunk > least && f.items() < 4 * thread_count()) f.chunk /= 2;
  return f;
}

// What a query has seen: its largest score, in powers of two, and the sum of powers above it.
struct SeenScores {
  float *largest, *sum, *factor;  // factor: of what was summed before the last block of keys

  SeenScores from(std::int64_t query) const {
    return {largest + query, sum + query, factor + query};
  }
};
// log_sum[i] = log(sum(exp(scores of query i))), for `count` queries; 0 of one that sees nothing,
// whose sum is negative.
void dense_log_sums(const SeenScores& seen, std::int64_t count, float* log_sum);

// (Vectors have 16 lanes at most.)
inline std::int64_t dense_padded(std::int64_t n) { return round_up(n, 16); }

// The backward pass: an item is a head of keys with all heads of queries that it serves; where
// there are fewer than threads, the keys of a head are cut.
struct DenseBackward {
  DenseAttentionSizes sizes;
  DType dtype;
  void *d_o, *o, *q, *k, *v, *dq, *dk, *dv;
  const float* log_sum;
  DenseMask mask;
  std::int64_t block, cuts;  // keys of a block; into how many items a head's keys are cut

  std::int64_t items() const { return sizes.batch * sizes.groups * cuts; }
  // Of an item, whole blocks.
  std::int64_t item_keys() const {
    const std::int64_t blocks = (sizes.keys + block - 1) / block;
    return (blocks + cuts - 1) / cuts * block;
  }
};
inline std::int64_t key_blocks(const DenseAttentionSizes& s, std::int64_t block) {
  return std::max<std::int64_t>(1, (s.keys + block - 1) / block);
}
inline DenseBackward dense_backward(const KernelCall& call, std::int64_t block) {
  DenseBackward f{dense_attention_sizes(call.in(3).dims.data(), call.in(4).dims.data(),
                                        call.in(5).dims.data(), *call.attributes),
                  call.in(3).dtype,
                  call.in(0).data,
                  call.in(1).data,
                  call.in(3).data,
                  call.in(4).data,
                  call.in(5).data,
                  call.out(0).data,
                  call.out(1).data,
                  call.out(2).data,
                  call.in(2).as(),
                  dense_mask(call, 6),
                  block,
                  1};
  const std::int64_t heads = f.sizes.batch * f.sizes.groups, threads = thread_count();
  if (heads > 0 && heads < threads)
    f.cuts = std::min(key_blocks(f.sizes, block), (threads + heads - 1) / heads);
  return f;
}
// Numbers of dq that items of cut heads keep, at most, of any batch up to that of `s`.
inline std::int64_t cut_dq_size(const DenseAttentionSizes& s, std::int64_t block, int threads) {
  const std::int64_t heads = std::min<std::int64_t>(s.batch * s.groups, threads - 1);
  const std::int64_t items = std::min(threads + heads - 1, heads * key_blocks(s, block));
  return heads <= 0 ? 0 : items * s.group_heads() * s.queries * dense_padded(s.head_size);
}
// dq of the items of cut heads, [heads that it serves, queries, padded head size] each, added in
// their order and stored.
void dense_add_cuts(const DenseBackward& f, float* dq);

// Keys of a block: as many as keep its panels and a block of scores in the second cache.
inline std::int64_t dense_key_block(std::int64_t head_size, std::int64_t most) {
  const std::int64_t block = most * 64 / (head_size < 1 ? 1 : head_size) / 64 * 64;
  return block < 64 ? 64 : block > most ? most : block;
}

}  // namespace hone
