// y = the sum of x[R,N] over its rows.
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace sum_rows_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0])) fail_shapes("sum_rows", "x f32[R,N]", t);
  return {{DType::f32, {t[0].dims[1]}}};
}

void reference(const OpCall& call) {
  const std::int64_t n = call.in(0).shape()[1];
  for (std::int64_t j = 0; j < n; ++j) {
    double sum = 0;
    for (std::int64_t r = 0; r < row_count(call.in(0)); ++r)
      sum += call.in(0).as<float>()[r * n + j];
    call.out(0).as<float>()[j] = static_cast<float>(sum);
  }
}

std::vector<ValueId> gradient(const GradientCall& call) {
  return {call.graph.apply("broadcast_rows", {call.grad(), call.in(0)})};
}

}  // namespace sum_rows_op
}  // namespace

Op op_sum_rows() {
  using namespace sum_rows_op;
  Op op{{"sum_rows", "the sum over rows"}, 1, 1, {"x"}, RowRule::reduce};
  op.linear_rows = 1;
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.samples = [] { return elementwise_samples(1); };
  return op;
}

}  // namespace hone
