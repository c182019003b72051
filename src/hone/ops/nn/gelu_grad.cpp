// dx = dy gelu'(x).
#include "hone/ops/detail/elementwise.hpp"
#include "hone/ops/detail/gelu.hpp"

namespace hone {
namespace {
namespace gelu_grad_op {

void reference(const OpCall& call) {
  const auto slope =
      call.attributes->text("approximate") == "tanh" ? gelu_tanh_derivative : gelu_erf_derivative;
  map_elements(call, [slope](double x, double dy) { return dy * slope(x); });
}

std::vector<OpSample> samples() {
  std::vector<OpSample> list = elementwise_samples(2, {{"approximate", std::string("none")}});
  for (OpSample& sample : elementwise_samples(2, {{"approximate", std::string("tanh")}})) {
    sample.name += ", tanh";
    // 1 - tanh^2 cancels, and the gradient scales what is left: it is 40 in the large sample.
    sample.tolerance = 5e-5;
    list.push_back(std::move(sample));
  }
  for (OpSample& sample : list) sample.differentiable.clear();
  return list;
}

}  // namespace gelu_grad_op
}  // namespace

Op op_gelu_grad() {
  using namespace gelu_grad_op;
  Op op{{"gelu_grad", "gradient of gelu", {gelu_option()}}, 2, 2, {"x", "dy"}, RowRule::rows, 3};
  op.cheap = true;
  op.linear_rows = 2;
  op.infer = [](const OpTypes& t) { return infer_elementwise(t, "gelu_grad"); };
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
