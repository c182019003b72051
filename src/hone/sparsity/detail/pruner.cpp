#include "hone/sparsity/pruner.hpp"

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone {

const Pruner& find_pruner(const std::string& name) {
  std::vector<std::string> names;
  for (const Pruner& pruner : pruner_table()) {
    if (pruner.name == name) return pruner;
    names.push_back(pruner.name);
  }
  throw Error(ErrorCode::invalid_argument, "unknown pruning method '" + name + "'",
              did_you_mean(name, names));
}

Tensor score_weight(const Pruner& pruner, const PrunerCall& call) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::invalid_argument, fmt::format("method {}: {}", pruner.name, what));
  };
  const Shape& shape = call.weight.shape();
  if (pruner.needs == PrunerNeeds::input_norms) {
    if (call.input_norms == nullptr) refuse("the norms of the inputs are missing");
    if (shape.size() < 2 || call.input_norms->shape() != Shape{shape[1]})
      refuse(fmt::format("input norms {} do not fit a weight {}",
                         to_string(call.input_norms->shape()), to_string(shape)));
  }
  if (pruner.needs == PrunerNeeds::gradients) {
    if (call.gradient == nullptr) refuse("the gradient is missing");
    if (call.gradient->shape() != shape)
      refuse(fmt::format("a gradient {} does not fit a weight {}",
                         to_string(call.gradient->shape()), to_string(shape)));
  }
  Tensor scores(DType::f32, shape);
  pruner.score(call, scores.as<float>());
  return scores;
}

}  // namespace hone
