// y = a b, element by element.
#include "hone/ops/detail/elementwise.hpp"

namespace hone {
namespace {
namespace mul_op {

std::vector<ValueId> gradient(const GradientCall& call) {
  return {call.graph.apply("mul", {call.grad(), call.in(1)}),
          call.graph.apply("mul", {call.grad(), call.in(0)})};
}

}  // namespace mul_op
}  // namespace

Op op_mul() {
  using namespace mul_op;
  Op op{{"mul", "product of two tensors, element by element"}, 2, 2, {"a", "b"}, RowRule::rows, 3};
  op.slots = {{0, 1}};
  op.elementwise = true;
  op.infer = [](const OpTypes& t) { return infer_elementwise(t, "mul", Elements::numbers); };
  op.reference = [](const OpCall& call) {
    map_elements(
        call, [](double a, double b) { return a * b; },
        [](std::int64_t a, std::int64_t b) { return wrap_mul(a, b); });
  };
  op.gradient = gradient;
  op.samples = [] { return elementwise_samples(2); };
  return op;
}

}  // namespace hone
