// y = a - b.
#include "hone/ops/detail/elementwise.hpp"

namespace hone {
namespace {
namespace sub_op {

std::vector<ValueId> gradient(const GradientCall& call) {
  return {call.grad(), call.graph.apply("scale", {call.grad()}, {{"factor", -1.0}})};
}

}  // namespace sub_op
}  // namespace

Op op_sub() {
  using namespace sub_op;
  Op op{{"sub", "difference of two tensors"}, 2, 2, {"a", "b"}, RowRule::rows, 3};
  op.slots = {{0, 1}};
  op.elementwise = true;
  op.infer = [](const OpTypes& t) { return infer_elementwise(t, "sub", Elements::numbers); };
  op.reference = [](const OpCall& call) {
    map_elements(
        call, [](double a, double b) { return a - b; },
        [](std::int64_t a, std::int64_t b) { return wrap_sub(a, b); });
  };
  op.gradient = gradient;
  op.samples = [] { return elementwise_samples(2); };
  return op;
}

}  // namespace hone
