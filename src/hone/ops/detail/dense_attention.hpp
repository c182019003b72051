// What dense_attention, its gradient and their kernels share: options, sizes, the mask.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "hone/graph/op.hpp"

namespace hone {

std::vector<OptionSpec> dense_attention_options();

// Elements between neighbours of q, k, v or the result, whose last dimension is dense.
struct HeadStrides {
  std::int64_t batch, head, token;
};

struct DenseAttentionSizes {
  std::int64_t batch, heads, groups;  // of queries; of keys and values: groups divides heads
  std::int64_t queries, keys;
  std::int64_t head_size, value_size;
  HeadStrides q, k, v, o;
  double scale;
  bool causal;
  std::int64_t diagonal;

  // Heads of queries that one of keys serves.
  std::int64_t group_heads() const { return groups == 0 ? 0 : heads / groups; }
  // Keys that a query may see before the mask has its say: the first so many.
  std::int64_t visible(std::int64_t query) const {
    if (!causal) return keys;
    const std::int64_t count = query + diagonal + 1;
    return count < 0 ? 0 : count < keys ? count : keys;
  }
};
// Of tensors of four dimensions each.
DenseAttentionSizes dense_attention_sizes(const std::int64_t* q, const std::int64_t* k,
                                          const std::int64_t* v, const Options& attributes);

// What a mask adds that is finite and below counts as this (-2^127): rows of the lowest number are
// rows of equal scores, in whatever units scores are computed.
inline constexpr float lowest_mask = -1.7014118346046923e38f;

// Where the mask of a score lies: 0 along dimensions that it is repeated over. The mask has at most
// the four dimensions [B,H,S,T].
struct MaskStrides {
  std::int64_t batch = 0, head = 0, query = 0, key = 0;
};
MaskStrides mask_strides(const std::int64_t* dims, int rank);

// Checks q, k, v and the mask, which are inputs from `first` on.
void check_dense_attention(const OpTypes& types, std::size_t first, std::size_t mask,
                           const char* op);

// Probabilities of one query over all keys, and the logarithm of the sum of exponentials of its
// scores: 0 where it sees none.
struct DenseAttentionRow {
  std::vector<double> probability;
  double log_sum = 0;
};
DenseAttentionRow dense_attention_row(const DenseAttentionSizes& sizes, const Tensor& q,
                                      const Tensor& k, const Tensor* mask, std::int64_t batch,
                                      std::int64_t head, std::int64_t query);

std::vector<OpSample> dense_attention_samples();

}  // namespace hone
