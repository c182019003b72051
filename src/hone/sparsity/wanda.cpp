// Wanda (Sun et al., arXiv 2306.11695): a weight counts its magnitude times the norm of its input.
// (Theirs are compared within each row of a weight, as N:M here compares them; other masks compare
// within the weight, or all of them.)
#include <cmath>

#include "hone/sparsity/pruner.hpp"

namespace hone {

Pruner pruner_wanda() {
  Pruner pruner{{"wanda", "smallest products of a weight and the norm of its input first"}};
  pruner.needs = PrunerNeeds::input_norms;
  pruner.score = [](const PrunerCall& call, float* scores) {
    const float* w = call.weight.as<float>();
    const float* norms = call.input_norms->as<float>();
    const std::int64_t columns = call.input_norms->size();
    std::int64_t taps = 1;
    for (std::size_t d = 2; d < call.weight.shape().size(); ++d) taps *= call.weight.shape()[d];
    for (std::int64_t i = 0; i < call.weight.size(); ++i)
      scores[i] = std::fabs(w[i]) * norms[i / taps % columns];
  };
  return pruner;
}

}  // namespace hone
