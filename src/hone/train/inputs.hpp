// A batch as the inputs of a graph.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "hone/core/tensor.hpp"
#include "hone/data/batch.hpp"

namespace hone {

// ids, type_ids, positions, offsets.
std::map<std::string, Tensor> batch_inputs(const Batch& batch);
// The same and what a loss compares with: labels i32[B], or targets f32[B] where the data has
// values.
std::map<std::string, Tensor> training_inputs(const Batch& batch);
// Hands out `samples` samples (or all, where there are fewer), taken evenly from the data, a few at
// a time; `progress` may be empty.
void for_sample_batches(const TokenizedData& data, std::int64_t samples,
                        const std::function<void(std::int64_t done, std::int64_t total)>& progress,
                        const std::function<void(const Batch&)>& run);
Tensor int_vector(const std::vector<std::int32_t>& values);

}  // namespace hone
