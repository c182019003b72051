#include <cmath>

#include "hone/sparsity/pruner.hpp"

namespace hone {

Pruner pruner_l2() {
  Pruner pruner{{"l2", "smallest squares first; of groups: the smallest Euclidean norms"}};
  pruner.root_mean_square = true;
  pruner.score = [](const PrunerCall& call, float* scores) {
    const float* w = call.weight.as<float>();
    for (std::int64_t i = 0; i < call.weight.size(); ++i) scores[i] = std::fabs(w[i]);
  };
  return pruner;
}

}  // namespace hone
