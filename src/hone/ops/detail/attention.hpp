// What attention and its gradient share: checks, the sequence of a row, the scale, samples.
#pragma once

#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/quantizer.hpp"

namespace hone {

// Options of attention and attention_grad.
std::vector<OptionSpec> attention_options();

struct AttentionSizes {
  std::int64_t heads;
  std::int64_t head_size;
  double scale;             // of the scores: 1 / sqrt(head_size)
  std::uint32_t threshold;  // of attention dropout; 0: none
  std::uint32_t stream;     // of head 0; head h draws from stream + h
};
AttentionSizes attention_sizes(std::int64_t width, const Options& attributes);

// The sequence that holds `row`: offsets[s] <= row < offsets[s + 1].
std::int64_t sequence_of(const Tensor& offsets, std::int64_t row);

// Checks q[R,H], k[T,H], v[T,H], offsets[B+1], rng (optional), rows (optional; R == T without).
void check_attention(const OpTypes& types, std::size_t first, const char* op);

// Probabilities of one query over its sequence (after softmax, before dropout), and the keep factor
// of each key: 0 or the dropout scale.
struct AttentionRow {
  std::int64_t begin = 0;  // first token of the sequence
  std::vector<double> probability;
  std::vector<double> rounded;  // what meets the values: in the format of the probabilities
  std::vector<double> keep;
  double log_sum = 0;  // logarithm of the sum of exponentials of the scores
};
AttentionRow attention_row(const float* q, const Tensor& k, const Tensor& offsets,
                           const std::uint32_t* rng, std::int64_t row, std::int64_t head,
                           const AttentionSizes& sizes, const Quantizer* probabilities);

std::vector<OpSample> attention_samples();

}  // namespace hone
