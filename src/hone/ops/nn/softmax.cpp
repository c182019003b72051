// y[r] = exp(x[r]) / sum exp(x[r]), shifted by the row's largest value so that it cannot overflow.
#include <algorithm>

#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace softmax_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0])) fail_shapes("softmax", "x f32[R,N]", t);
  return {t[0]};
}

void reference(const OpCall& call) {
  const std::int64_t n = row_size(call.in(0));
  for (std::int64_t r = 0; r < row_count(call.in(0)); ++r) {
    const float* x = call.in(0).as<float>() + r * n;
    const double largest = n == 0 ? 0 : *std::max_element(x, x + n);
    double sum = 0;
    for (std::int64_t j = 0; j < n; ++j) sum += std::exp(x[j] - largest);
    for (std::int64_t j = 0; j < n; ++j)
      call.out(0).as<float>()[r * n + j] = static_cast<float>(std::exp(x[j] - largest) / sum);
  }
}

std::vector<ValueId> gradient(const GradientCall& call) {
  return {call.graph.apply("softmax_grad", {call.out(0), call.grad()})};
}

}  // namespace softmax_op
}  // namespace

Op op_softmax() {
  using namespace softmax_op;
  Op op{{"softmax", "normalized exponentials of each row"}, 1, 1, {"x"}, RowRule::rows};
  op.slots = {{0}};
  op.non_negative = true;
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.samples = [] { return elementwise_samples(1); };
  return op;
}

}  // namespace hone
