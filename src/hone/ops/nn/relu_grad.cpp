// dx = dy where x > 0, else 0.
#include "hone/ops/detail/elementwise.hpp"

namespace hone {
Op op_relu_grad() {
  Op op{{"relu_grad", "gradient of relu"}, 2, 2, {"x", "dy"}, RowRule::rows, 3};
  op.cheap = true;
  op.linear_rows = 2;
  op.infer = [](const OpTypes& t) { return infer_elementwise(t, "relu_grad"); };
  op.reference = [](const OpCall& call) {
    map_elements(call, [](double a, double b) { return a > 0 ? b : 0.0; });
  };
  op.samples = [] { return elementwise_samples(2); };
  return op;
}

}  // namespace hone
