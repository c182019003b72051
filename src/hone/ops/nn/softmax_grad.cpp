// dx = y (dy - sum(dy y)) for each row, from the output y of softmax.
#include "hone/ops/detail/elementwise.hpp"

namespace hone {
namespace {
namespace softmax_grad_op {

void reference(const OpCall& call) {
  const std::int64_t n = row_size(call.in(0));
  for (std::int64_t r = 0; r < row_count(call.in(0)); ++r) {
    const float* y = call.in(0).as<float>() + r * n;
    const float* dy = call.in(1).as<float>() + r * n;
    double inner = 0;
    for (std::int64_t j = 0; j < n; ++j) inner += static_cast<double>(y[j]) * dy[j];
    for (std::int64_t j = 0; j < n; ++j)
      call.out(0).as<float>()[r * n + j] = static_cast<float>(y[j] * (dy[j] - inner));
  }
}

std::vector<OpSample> samples() {
  std::vector<OpSample> list = elementwise_samples(2, {}, 0.5);
  for (OpSample& sample : list) {
    sample.differentiable.clear();
    sample.tolerance = 1e-3;  // cancellation: the inputs are not a softmax here and may be large
  }
  return list;
}

}  // namespace softmax_grad_op
}  // namespace

Op op_softmax_grad() {
  using namespace softmax_grad_op;
  Op op{{"softmax_grad", "gradient of softmax, from its output"},
        2,
        2,
        {"y", "dy"},
        RowRule::rows,
        3};
  op.infer = [](const OpTypes& t) { return infer_elementwise(t, "softmax_grad"); };
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
