// dx = dy (1 - y^2), from the output y of tanh.
#include "hone/ops/detail/elementwise.hpp"

namespace hone {
Op op_tanh_grad() {
  Op op{{"tanh_grad", "gradient of tanh, from its output"}, 2, 2, {"y", "dy"}, RowRule::rows, 3};
  op.linear_rows = 2;
  op.infer = [](const OpTypes& t) { return infer_elementwise(t, "tanh_grad"); };
  op.reference = [](const OpCall& call) {
    map_elements(call, [](double a, double b) { return b * (1.0 - a * a); });
  };
  op.samples = [] { return elementwise_samples(2); };
  return op;
}

}  // namespace hone
