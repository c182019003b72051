#include "hone/train/optimizers/optimizer.hpp"

#include "hone/core/text.hpp"

namespace hone {

const Optimizer& find_optimizer(const std::string& name) {
  return find_member(optimizer_table(), name, "optimizer");
}

}  // namespace hone
