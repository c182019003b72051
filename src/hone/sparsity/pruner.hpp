// The contract of a pruning method: how much each number of a weight matters. One file in sparsity/
// a member; what is made of the scores is mask.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hone/core/options.hpp"
#include "hone/core/tensor.hpp"

namespace hone {

// What a method looks at beside the weight itself.
enum class PrunerNeeds {
  nothing,
  input_norms,  // of the weight's inputs over data
  gradients     // of the loss over data
};

struct PrunerCall {
  const Tensor& weight;  // f32[N,K], filters f32[N,K,...], or of any other shape without norms
  // f32[K]: the root of the sum of squares of input k over all tokens, or of channel k over all
  // places. With needs = input_norms.
  const Tensor* input_norms = nullptr;
  // f32, as the weight: of the mean loss. With needs = gradients.
  const Tensor* gradient = nullptr;
  // Of random methods: the number of an element is a function of (seed, stream, element).
  std::uint64_t seed = 0;
  std::uint32_t stream = 0;
};

struct Pruner : Described {
  PrunerNeeds needs = PrunerNeeds::nothing;
  // A group of numbers counts the root of the mean square of their scores, not their mean.
  bool root_mean_square = false;
  // Writes the score of every number, in order: the lowest go first.
  void (*score)(const PrunerCall& call, float* scores) = nullptr;
};

// Every method (generated from the folder sparsity/).
const std::vector<Pruner>& pruner_table();
// Throws Error(invalid_argument) naming the nearest known method.
const Pruner& find_pruner(const std::string& name);
// The scores of a weight, shaped as it is. Throws Error(invalid_argument) when what the method
// needs is missing or does not fit.
Tensor score_weight(const Pruner& pruner, const PrunerCall& call);

}  // namespace hone
