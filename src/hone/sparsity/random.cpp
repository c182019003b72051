#include "hone/core/philox.hpp"
#include "hone/sparsity/pruner.hpp"

namespace hone {

Pruner pruner_random() {
  Pruner pruner{{"random", "numbers drawn at random, whatever they are: what others must beat"}};
  pruner.score = [](const PrunerCall& call, float* scores) {
    RandomStream random(call.seed, call.stream);
    // (24 bits: every draw is a float of its own.)
    for (std::int64_t i = 0; i < call.weight.size(); ++i)
      scores[i] = static_cast<float>(random.next_u32() >> 8) * 0x1p-24f;
  };
  return pruner;
}

}  // namespace hone
