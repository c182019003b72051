// dvalues = 2 dloss (values - targets) / B.
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace mean_squared_error_grad_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0]) || t[0].dims[1] != Dim(1) || !is_vector(t[1]) ||
      t[0].dims[0] != t[1].dims[0] || !is_vector(t[2]))
    fail_shapes("mean_squared_error_grad", "values f32[B,1], targets f32[B], dloss f32[1]", t);
  return {t[0]};
}

void reference(const OpCall& call) {
  const std::int64_t rows = row_count(call.in(0));
  const double factor =
      2 * static_cast<double>(call.in(2).as<float>()[0]) / static_cast<double>(rows);
  for (std::int64_t r = 0; r < rows; ++r)
    call.out(0).as<float>()[r] = static_cast<float>(
        factor * (static_cast<double>(call.in(0).as<float>()[r]) - call.in(1).as<float>()[r]));
}

std::vector<OpSample> samples() {
  return {{"odd", {random_tensor({7, 1}, 1), random_tensor({7}, 2), f32_tensor({1}, {1})}, {}, {}},
          {"one row",
           {random_tensor({1, 1}, 1), random_tensor({1}, 2), f32_tensor({1}, {0.5})},
           {},
           {}}};
}

}  // namespace mean_squared_error_grad_op
}  // namespace

Op op_mean_squared_error_grad() {
  using namespace mean_squared_error_grad_op;
  Op op{{"mean_squared_error_grad", "gradient of mean_squared_error"},
        3,
        3,
        {"values", "targets", "dloss"}};
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
