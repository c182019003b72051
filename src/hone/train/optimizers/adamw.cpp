// AdamW: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (arXiv 1711.05101), as
// torch.optim.AdamW has it.
#include "hone/train/optimizers/optimizer.hpp"

namespace hone {

Optimizer optimizer_adamw() {
  return {{"adamw",
           "Adam with decoupled weight decay",
           {{"beta1", OptionType::real, 0.9, "decay of the mean of gradients", 0, 0.999999},
            {"beta2", OptionType::real, 0.999, "decay of the mean of their squares", 0, 0.9999999},
            {"epsilon", OptionType::real, 1e-8, "added to the root of that mean", 1e-30, 1},
            {"weight_decay", OptionType::real, 0.01, "decay of matrices and embeddings", 0, 100}}},
          "adamw"};
}

}  // namespace hone
