// y has the shape of `like`; y[rows[i]] is the sum of the x[i] that name it, other rows are zero.
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace scatter_rows_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0]) || !is_vector(t[1], DType::i32) || !is_matrix(t[2]) ||
      t[0].dims[0] != t[1].dims[0] || t[0].dims[1] != t[2].dims[1])
    fail_shapes("scatter_rows", "x f32[M,N], rows i32[M], like f32[R,N]", t);
  return {t[2]};
}

void reference(const OpCall& call) {
  const std::int64_t n = row_size(call.in(0));
  for (std::int64_t i = 0; i < call.in(1).size(); ++i)
    for (std::int64_t j = 0; j < n; ++j)
      call.out(0).as<float>()[call.in(1).as<std::int32_t>()[i] * n + j] +=
          call.in(0).as<float>()[i * n + j];
}

std::vector<ValueId> gradient(const GradientCall& call) {
  return {call.graph.apply("gather_rows", {call.grad(), call.in(1)}), none, none};
}

std::vector<OpSample> samples() {
  return {
      {"odd",
       {random_tensor({4, 5}, 1), int_tensor({4}, {0, 6, 3, 3}), random_tensor({7, 5}, 2)},
       {},
       {0}},
      {"none", {random_tensor({0, 8}, 1), int_tensor({0}, {}), random_tensor({3, 8}, 2)}, {}, {}}};
}

}  // namespace scatter_rows_op
}  // namespace

Op op_scatter_rows() {
  using namespace scatter_rows_op;
  Op op{{"scatter_rows", "adds rows into a larger tensor of zeros"}, 3, 3, {"x", "rows", "like"}};
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.samples = samples;
  return op;
}

}  // namespace hone
