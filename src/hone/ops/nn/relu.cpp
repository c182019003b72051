// y = max(x, 0).
#include <cmath>

#include "hone/ops/detail/elementwise.hpp"

namespace hone {
namespace {
namespace relu_op {

std::vector<ValueId> gradient(const GradientCall& call) {
  return {call.graph.apply("relu_grad", {call.in(0), call.grad()})};
}

}  // namespace relu_op
}  // namespace

Op op_relu() {
  using namespace relu_op;
  Op op{{"relu", "max(x, 0)"}, 1, 1, {"x"}, RowRule::rows, 1};
  op.cheap = true;
  op.slots = {{0}};
  op.non_negative = true;
  op.elementwise = true;
  op.infer = [](const OpTypes& t) { return infer_elementwise(t, "relu", Elements::reals); };
  op.reference = [](const OpCall& call) {
    map_elements(call, [](double a) { return a > 0 || std::isnan(a) ? a : 0.0; });
  };
  op.gradient = gradient;
  op.samples = [] { return elementwise_samples(1); };
  return op;
}

}  // namespace hone
