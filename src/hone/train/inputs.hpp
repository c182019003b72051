// A batch as the inputs of a graph.
#pragma once

#include <map>
#include <string>

#include "hone/core/tensor.hpp"
#include "hone/data/batch.hpp"

namespace hone {

// ids, type_ids, positions, offsets.
std::map<std::string, Tensor> batch_inputs(const Batch& batch);
Tensor int_vector(const std::vector<std::int32_t>& values);

}  // namespace hone
