// Work items of attention over picked queries: one a sequence that has any, and head.
#pragma once

#include <algorithm>
#include <vector>

#include "hone/backend/cpu/detail/attention.hpp"

namespace hone {

struct PickedQueries {
  std::int64_t first_token, length;
  std::vector<std::int32_t> queries;  // indices into the picked rows
};

// Every sequence in order; those without a picked row have no queries.
inline std::vector<PickedQueries> picked_queries(const TensorView& offsets,
                                                 const TensorView& rows) {
  const std::int32_t* at = offsets.as<std::int32_t>();
  std::vector<PickedQueries> sequences;
  for (std::int64_t s = 0; s + 1 < offsets.rows(); ++s)
    sequences.push_back({at[s], at[s + 1] - at[s], {}});
  for (std::int64_t i = 0; i < rows.rows(); ++i) {
    const auto after = std::upper_bound(at, at + offsets.rows(), rows.as<std::int32_t>()[i]);
    sequences[static_cast<std::size_t>(after - at - 1)].queries.push_back(
        static_cast<std::int32_t>(i));
  }
  return sequences;
}

// The task of one head; `rng` is the index of the random state among the inputs.
inline AttentionTask picked_task(const PickedQueries& sequence, std::int64_t head,
                                 std::int64_t width, const AttentionSizes& sizes,
                                 const KernelCall& call, std::size_t rng) {
  return {sequence.first_token,
          sequence.length,
          head,
          sizes.heads,
          sizes.head_size,
          width,
          sizes.scale,
          sizes.threshold,
          sizes.stream + static_cast<std::uint32_t>(head),
          dropout_scale(sizes.threshold),
          call.has(rng) ? call.in(rng).as<std::uint32_t>() : nullptr,
          bound_probabilities(call)};
}

// One query: gives the logarithm of its sum of exponentials. memory: 3 * length + 16 floats.
float attention_picked_forward(const AttentionTask& task, const float* q, const float* k,
                               const float* v, std::uint32_t row, float* o, float* memory);
// One query: writes dq, adds to dk and dv. memory: 4 * length + 16 floats.
void attention_picked_backward(const AttentionTask& task, const AttentionBackward& io,
                               std::uint32_t row, float* memory);

}  // namespace hone
