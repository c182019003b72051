// y = c ? a : b, element by element.
#include "hone/ops/detail/elementwise.hpp"

namespace hone {
namespace {
namespace where_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (t[0].dtype != DType::boolean || !(t[1] == t[2]) || !(t[0].dims == t[1].dims))
    fail_shapes("where", "c bool, a and b of one type, all of one shape", t);
  return {t[1]};
}

void reference(const OpCall& call) {
  for (std::int64_t i = 0; i < call.out(0).size(); ++i)
    copy_element(call.in(0).as<bool>()[i] ? call.in(1) : call.in(2), i, call.out(0), i);
}

std::vector<ValueId> gradient(const GradientCall& call) {
  Graph& g = call.graph;
  const ValueId zero = g.apply("scale", {call.grad()}, {{"factor", 0.0}});
  return {none, g.apply("where", {call.in(0), call.grad(), zero}),
          g.apply("where", {call.in(0), zero, call.grad()})};
}

std::vector<OpSample> samples() {
  std::vector<OpSample> all = elementwise_samples(3);
  for (OpSample& sample : all) {
    const Tensor from = sample.inputs[0];
    Tensor condition(DType::boolean, from.shape());
    for (std::int64_t i = 0; i < from.size(); ++i)
      condition.as<bool>()[i] = from.as<float>()[i] > 0;
    sample.inputs[0] = condition;
    if (!sample.differentiable.empty()) sample.differentiable = {1, 2};
  }
  return all;
}

}  // namespace where_op
}  // namespace

Op op_where() {
  using namespace where_op;
  Op op{{"where", "one or the other"}, 3, 3, {"c", "a", "b"}, RowRule::rows, 7};
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.samples = samples;
  return op;
}

}  // namespace hone
