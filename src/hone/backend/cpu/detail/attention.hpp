// What the attention kernels share: the work items (one a sequence and head), buffers, packing.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "hone/backend/cpu/detail/gemm.hpp"
#include "hone/backend/kernel.hpp"
#include "hone/core/round_up.hpp"
#include "hone/core/threads.hpp"
#include "hone/ops/detail/attention.hpp"

namespace hone {

// Queries that are worked on together.
inline constexpr std::int64_t max_attention_block = 64;

// One head of one sequence.
struct AttentionTask {
  std::int64_t first_token, length;
  std::int64_t head, heads, head_size, width;
  double scale;
  std::uint32_t threshold, stream;  // of this head
  float keep_scale;
  const std::uint32_t* rng;
  const Quantizer* probabilities;  // null: not rounded
};

// Pointers at the first token and this head; rows are task.width apart (log_sum: task.heads).
struct AttentionForward {
  const float *q, *k, *v;
  float *o, *log_sum;
};
struct AttentionBackward {
  const float *d_o, *o, *log_sum, *q, *k, *v;
  float *dq, *dk, *dv;
};

// Cuts a call into tasks, longest sequences first; `first` is the input that holds q.
class AttentionSetup {
public:
  AttentionSetup(const KernelCall& call, std::size_t first, const Quantizer* probabilities);
  std::int64_t items() const { return static_cast<std::int64_t>(order_.size()) * sizes_.heads; }
  AttentionTask task(std::int64_t item) const;
  std::int64_t longest() const { return longest_; }  // tokens of a sequence
  std::int64_t floats_per_thread(bool backward) const;
  // Floating-point operations of `products` matrix products of length x length x head size a task.
  double flop(int products) const;

private:
  AttentionSizes sizes_;
  std::int64_t width_;
  std::int64_t longest_ = 0;
  const std::int32_t* offsets_;
  const std::uint32_t* rng_;
  const Quantizer* probabilities_;
  std::vector<std::int32_t> order_;
};

// Kernel::bind of the attention kernels: the format of the probabilities.
std::shared_ptr<const void> bind_node_probabilities(const KernelQuery& query);
inline const Quantizer* bound_probabilities(const KernelCall& call) {
  return static_cast<const Quantizer*>(call.bound);
}

// Bytes for all threads at the plan's largest size.
std::size_t attention_workspace(const KernelQuery& query, std::size_t first, bool backward);

// The buffers of one task inside a thread's memory; all sizes are padded to 16.
struct AttentionBuffers {
  std::int64_t padded, block;
  float *keys_t, *values, *queries, *scores, *output;                // both directions
  float *keys, *values_t, *d_output, *d_scores, *d_keys, *d_values;  // backward only

  AttentionBuffers(const AttentionTask& task, float* memory, bool backward);
  static std::int64_t floats(std::int64_t length, std::int64_t head_size, bool backward);
  static std::int64_t block_rows(std::int64_t padded, bool backward);
};

// to[padded, columns] = the first `rows` rows of from (ld apart), then zeros.
void pack_rows(const float* from, std::int64_t ld, std::int64_t rows, std::int64_t padded,
               std::int64_t columns, float* to);
// to[head_size, padded] = scale * transpose of the task's rows, then zeros.
void pack_transposed(const float* from, const AttentionTask& task, std::int64_t padded, float scale,
                     float* to);

// One row of q k^T to exponentials seen from the largest, dropped out and rounded as the task says;
// zeros up to `padded`. Gives their sum before dropout and rounding.
struct ExponentialSum {
  float sum;
  float largest;  // score, in units of log2
};
ExponentialSum attention_exponentials(float* scores, std::int64_t padded, const AttentionTask& task,
                                      std::uint32_t row);
// One head of one sequence; memory: AttentionBuffers::floats.
void attention_forward(const AttentionTask& task, const AttentionForward& io, float* memory);

}  // namespace hone
