// Movement pruning (Sanh et al., arXiv 2005.07683): weights that training moves towards zero go.
// The score is the first step of theirs, -w dL/dw, of the mean gradient over data.
#include "hone/sparsity/pruner.hpp"

namespace hone {

Pruner pruner_movement() {
  Pruner pruner{{"movement", "weights that the gradient moves towards zero first: -w dL/dw"}};
  pruner.needs = PrunerNeeds::gradients;
  pruner.score = [](const PrunerCall& call, float* scores) {
    const float* w = call.weight.as<float>();
    const float* g = call.gradient->as<float>();
    for (std::int64_t i = 0; i < call.weight.size(); ++i) scores[i] = -w[i] * g[i];
  };
  return pruner;
}

}  // namespace hone
