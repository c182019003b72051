// y = tanh(x).
#include "hone/ops/detail/elementwise.hpp"

namespace hone {
namespace {
namespace tanh_op {

std::vector<ValueId> gradient(const GradientCall& call) {
  return {call.graph.apply("tanh_grad", {call.out(0), call.grad()})};
}

}  // namespace tanh_op
}  // namespace

Op op_tanh() {
  using namespace tanh_op;
  Op op{{"tanh", "hyperbolic tangent"}, 1, 1, {"x"}, RowRule::rows, 1};
  op.slots = {{0}};
  op.elementwise = true;
  op.infer = [](const OpTypes& t) { return infer_elementwise(t, "tanh", Elements::reals); };
  op.reference = [](const OpCall& call) {
    map_elements(call, [](double a) { return std::tanh(a); });
  };
  op.gradient = gradient;
  op.samples = [] { return elementwise_samples(1); };
  return op;
}

}  // namespace hone
