#include <cmath>

#include "hone/sparsity/pruner.hpp"

namespace hone {

Pruner pruner_l1() {
  Pruner pruner{{"l1", "smallest magnitudes first; of groups: the smallest sums of magnitudes"}};
  pruner.score = [](const PrunerCall& call, float* scores) {
    const float* w = call.weight.as<float>();
    for (std::int64_t i = 0; i < call.weight.size(); ++i) scores[i] = std::fabs(w[i]);
  };
  return pruner;
}

}  // namespace hone
