// Attention by the matrix of its scores and without it: what `hone bench attention` measures.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hone/core/tensor.hpp"
#include "hone/recipes/bench_model.hpp"

namespace hone {

enum class AttentionForm {
  naive,  // product, softmax, product: the scores of all queries and keys lie in memory
  fused   // dense_attention
};
std::string to_string(AttentionForm form);

struct AttentionBench {
  std::int64_t batch = 1, heads = 1, tokens = 1, head_size = 1;  // [B,H,S,D]
  DType dtype = DType::f32;  // that q, k, v and the result are stored in: f32, f16 or bf16
  bool causal = false;
  bool backward = false;
  BenchOptions runs = {};
};

// Of single runs. Memory beside q, k, v and their gradients is the arena's: what the result, what
// is kept for the gradient, and the kernels take.
struct AttentionTimes {
  ModeTimes forward;
  std::optional<ModeTimes> backward;
};
AttentionTimes bench_attention(AttentionForm form, const AttentionBench& bench);

// The largest difference of the results (and gradients of q, k and v) of two forms, relative to the
// largest number of each.
double attention_difference(AttentionForm form, AttentionForm other, const AttentionBench& bench);

}  // namespace hone
