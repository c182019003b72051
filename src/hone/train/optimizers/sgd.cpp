// Stochastic gradient descent with momentum, as torch.optim.SGD has it.
#include "hone/train/optimizers/optimizer.hpp"

namespace hone {

Optimizer optimizer_sgd() {
  Optimizer optimizer{
      {"sgd",
       "stochastic gradient descent with momentum",
       {{"momentum", OptionType::real, 0.0, "share of the last step that goes on", 0, 0.999999},
        {"weight_decay", OptionType::real, 0.01, "decay of matrices and embeddings", 0, 100},
        {"nesterov", OptionType::boolean, false,
         "the momentum of after the step, not of before it, moves the weights"}}},
      "sgd"};
  optimizer.refusal = [](const Options& options) -> std::string {
    return options.boolean("nesterov") && options.real("momentum") == 0
               ? "nesterov changes nothing: momentum is 0"
               : "";
  };
  return optimizer;
}

}  // namespace hone
