// The mean over the last dimension of x[...,N].
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace reduce_mean_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0]) || !t[0].dims[1].is_fixed()) fail_shapes("reduce_mean", "x f32[R,N]", t);
  return {{DType::f32, {t[0].dims[0]}}};
}

void reference(const OpCall& call) {
  const std::int64_t n = row_size(call.in(0));
  for (std::int64_t r = 0; r < row_count(call.in(0)); ++r) {
    double sum = 0;
    for (std::int64_t j = 0; j < n; ++j) sum += call.in(0).as<float>()[r * n + j];
    call.out(0).as<float>()[r] = static_cast<float>(sum / static_cast<double>(n));
  }
}

std::vector<ValueId> gradient(const GradientCall& call) {
  const ValueId wide = call.graph.apply("broadcast_columns", {call.grad(), call.in(0)});
  const std::int64_t columns = call.graph.type(call.in(0)).dims[1].offset;
  return {call.graph.apply("scale", {wide}, {{"factor", 1.0 / static_cast<double>(columns)}})};
}

}  // namespace reduce_mean_op
}  // namespace

Op op_reduce_mean() {
  using namespace reduce_mean_op;
  Op op{{"reduce_mean", "the mean of each row"}, 1, 1, {"x"}, RowRule::rows};
  op.slots = {{0}};
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.samples = [] { return elementwise_samples(1); };
  return op;
}

}  // namespace hone
