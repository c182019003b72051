// y = a / b, element by element.
#include "hone/ops/detail/elementwise.hpp"

namespace hone {
namespace {
namespace div_op {

std::vector<ValueId> gradient(const GradientCall& call) {
  Graph& g = call.graph;
  const ValueId da = g.apply("div", {call.grad(), call.in(1)});
  // d(a/b)/db = -(a/b)/b
  const ValueId db = g.apply("scale", {g.apply("mul", {da, call.out(0)})}, {{"factor", -1.0}});
  return {da, db};
}

}  // namespace div_op
}  // namespace

Op op_div() {
  using namespace div_op;
  Op op{{"div", "quotient of two tensors, element by element"}, 2, 2, {"a", "b"}, RowRule::rows, 3};
  op.slots = {{0, 1}};
  op.elementwise = true;
  op.infer = [](const OpTypes& t) { return infer_elementwise(t, "div", Elements::numbers); };
  op.reference = [](const OpCall& call) {
    map_elements(
        call, [](double a, double b) { return a / b; },
        // Towards zero; by zero gives zero.
        [](std::int64_t a, std::int64_t b) {
          return b == 0 ? 0 : b == -1 ? wrap_sub(0, a) : a / b;
        });
  };
  op.gradient = gradient;
  op.samples = [] { return elementwise_samples(2); };
  return op;
}

}  // namespace hone
