// SNIP (Lee et al., arXiv 1810.02340): how much the loss depends on whether a weight is there.
#include <cmath>

#include "hone/sparsity/pruner.hpp"

namespace hone {

Pruner pruner_snip() {
  Pruner pruner{{"snip", "weights that the loss depends on least first: |w dL/dw|"}};
  pruner.needs = PrunerNeeds::gradients;
  pruner.score = [](const PrunerCall& call, float* scores) {
    const float* w = call.weight.as<float>();
    const float* g = call.gradient->as<float>();
    for (std::int64_t i = 0; i < call.weight.size(); ++i) scores[i] = std::fabs(w[i] * g[i]);
  };
  return pruner;
}

}  // namespace hone
