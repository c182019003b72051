// The sum over the last dimension of x[...,N].
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace reduce_sum_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0])) fail_shapes("reduce_sum", "x f32[R,N]", t);
  return {{DType::f32, {t[0].dims[0]}}};
}

void reference(const OpCall& call) {
  const std::int64_t n = row_size(call.in(0));
  for (std::int64_t r = 0; r < row_count(call.in(0)); ++r) {
    double sum = 0;
    for (std::int64_t j = 0; j < n; ++j) sum += call.in(0).as<float>()[r * n + j];
    call.out(0).as<float>()[r] = static_cast<float>(sum);
  }
}

std::vector<ValueId> gradient(const GradientCall& call) {
  return {call.graph.apply("broadcast_columns", {call.grad(), call.in(0)})};
}

}  // namespace reduce_sum_op
}  // namespace

Op op_reduce_sum() {
  using namespace reduce_sum_op;
  Op op{{"reduce_sum", "the sum of each row"}, 1, 1, {"x"}, RowRule::rows};
  op.slots = {{0}};
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.samples = [] { return elementwise_samples(1); };
  return op;
}

}  // namespace hone
