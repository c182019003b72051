// Tensors of a file as what a graph reads.
#pragma once

#include <map>
#include <string>

#include "hone/core/tensor_store.hpp"
#include "hone/model/model.hpp"

namespace hone {

std::map<std::string, Tensor> by_name(const TensorStore& store);

// Named as the model's inputs; one tensor without a name is the only input. Padded batches of texts
// are packed where the model reads packed ones. Throws Error(invalid_argument) naming the file and
// what is no input.
std::map<std::string, Tensor> inputs_of(const Model& model, const TensorStore& given,
                                        const std::string& file);

}  // namespace hone
