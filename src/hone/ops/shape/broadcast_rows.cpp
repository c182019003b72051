// y[r] = v for every row of `like`: the gradient of sum_rows.
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace broadcast_rows_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_vector(t[0]) || !is_matrix(t[1]) || t[0].dims[0] != t[1].dims[1])
    fail_shapes("broadcast_rows", "v f32[N], like f32[R,N]", t);
  return {t[1]};
}

void reference(const OpCall& call) {
  const std::int64_t n = call.in(0).size();
  for (std::int64_t r = 0; r < row_count(call.in(1)); ++r)
    for (std::int64_t j = 0; j < n; ++j)
      call.out(0).as<float>()[r * n + j] = call.in(0).as<float>()[j];
}

std::vector<ValueId> gradient(const GradientCall& call) {
  return {call.graph.apply("sum_rows", {call.grad()}), none};
}

std::vector<OpSample> samples() {
  return {{"odd", {random_tensor({5}, 1), random_tensor({7, 5}, 2)}, {}, {0}},
          {"no rows", {random_tensor({5}, 1), random_tensor({0, 5}, 2)}, {}, {}}};
}

}  // namespace broadcast_rows_op
}  // namespace

Op op_broadcast_rows() {
  using namespace broadcast_rows_op;
  Op op{{"broadcast_rows", "repeats a vector as rows"}, 2, 2, {"v", "like"}, RowRule::rows, 2};
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.samples = samples;
  return op;
}

}  // namespace hone
