// y[r, j] = v[r] for every column of `like`: the gradient of reduce_sum.
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace broadcast_columns_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_vector(t[0]) || !is_matrix(t[1]) || t[0].dims[0] != t[1].dims[0])
    fail_shapes("broadcast_columns", "v f32[R], like f32[R,N]", t);
  return {t[1]};
}

void reference(const OpCall& call) {
  const std::int64_t n = row_size(call.in(1));
  for (std::int64_t r = 0; r < call.in(0).size(); ++r)
    for (std::int64_t j = 0; j < n; ++j)
      call.out(0).as<float>()[r * n + j] = call.in(0).as<float>()[r];
}

std::vector<ValueId> gradient(const GradientCall& call) {
  return {call.graph.apply("reduce_sum", {call.grad()}), none};
}

std::vector<OpSample> samples() {
  return {{"odd", {random_tensor({7}, 1), random_tensor({7, 5}, 2)}, {}, {0}},
          {"no rows", {random_tensor({0}, 1), random_tensor({0, 5}, 2)}, {}, {}}};
}

}  // namespace broadcast_columns_op
}  // namespace

Op op_broadcast_columns() {
  using namespace broadcast_columns_op;
  Op op{
      {"broadcast_columns", "repeats a vector as columns"}, 2, 2, {"v", "like"}, RowRule::rows, 3};
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.samples = samples;
  return op;
}

}  // namespace hone
