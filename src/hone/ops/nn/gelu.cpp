// y = x Phi(x), Phi the normal distribution function (by erf), or its tanh approximation.
#include "hone/ops/detail/gelu.hpp"

#include "hone/ops/detail/elementwise.hpp"

namespace hone {
namespace {
namespace gelu_op {

void reference(const OpCall& call) {
  map_elements(call, call.attributes->text("approximate") == "tanh" ? gelu_tanh : gelu_erf);
}

std::vector<ValueId> gradient(const GradientCall& call) {
  return {call.graph.apply("gelu_grad", {call.in(0), call.grad()}, call.attributes())};
}

std::vector<OpSample> samples() {
  std::vector<OpSample> list = elementwise_samples(1, {{"approximate", std::string("none")}});
  for (OpSample& sample : elementwise_samples(1, {{"approximate", std::string("tanh")}})) {
    sample.name += ", tanh";
    list.push_back(std::move(sample));
  }
  return list;
}

}  // namespace gelu_op
}  // namespace

Op op_gelu() {
  using namespace gelu_op;
  Op op{{"gelu", "Gaussian error linear unit", {gelu_option()}}, 1, 1, {"x"}, RowRule::rows};
  op.cheap = true;
  op.slots = {{0}};
  op.elementwise = true;
  op.infer = [](const OpTypes& t) { return infer_elementwise(t, "gelu"); };
  op.reference = reference;
  op.gradient = gradient;
  op.samples = samples;
  return op;
}

}  // namespace hone
