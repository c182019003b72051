// Stochastic gradient descent with momentum, as torch.optim.SGD has it.
#include "hone/train/optimizers/optimizer.hpp"

namespace hone {

Optimizer optimizer_sgd() {
  return {{"sgd",
           "stochastic gradient descent with momentum",
           {{"momentum", OptionType::real, 0.0, "share of the last step that goes on", 0, 0.999999},
            {"weight_decay", OptionType::real, 0.01, "decay of matrices and embeddings", 0, 100}}},
          "sgd"};
}

}  // namespace hone
