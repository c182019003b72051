// y = factor * x.
#include "hone/ops/detail/elementwise.hpp"

namespace hone {
namespace {
namespace scale_op {

void reference(const OpCall& call) {
  const double factor = call.attributes->real("factor");
  map_elements(call, [factor](double a) { return factor * a; });
}

std::vector<ValueId> gradient(const GradientCall& call) {
  return {call.graph.apply("scale", {call.grad()}, call.attributes())};
}

}  // namespace scale_op
}  // namespace

Op op_scale() {
  using namespace scale_op;
  Op op{{"scale", "multiplies by a number", {{"factor", OptionType::real, {}, "the number"}}},
        1,
        1,
        {"x"},
        RowRule::rows};
  op.slots = {{0}};
  op.elementwise = true;
  op.linear_rows = 1;
  op.infer = [](const OpTypes& t) { return infer_elementwise(t, "scale", Elements::reals); };
  op.reference = reference;
  op.gradient = gradient;
  op.samples = [] { return elementwise_samples(1, {{"factor", -0.75}}); };
  return op;
}

}  // namespace hone
