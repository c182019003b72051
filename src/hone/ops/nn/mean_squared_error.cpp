// The mean over samples of (value[b] - target[b])^2, f32[1]. Values are [B,1], as a head of one
// label gives them.
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace mean_squared_error_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0]) || t[0].dims[1] != Dim(1) || !is_vector(t[1]) ||
      t[0].dims[0] != t[1].dims[0])
    fail_shapes("mean_squared_error", "values f32[B,1], targets f32[B]", t);
  return {{DType::f32, {1}}};
}

void reference(const OpCall& call) {
  const std::int64_t rows = row_count(call.in(0));
  double sum = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const double error = static_cast<double>(call.in(0).as<float>()[r]) - call.in(1).as<float>()[r];
    sum += error * error;
  }
  call.out(0).as<float>()[0] = static_cast<float>(sum / static_cast<double>(rows));
}

std::vector<ValueId> gradient(const GradientCall& call) {
  return {call.graph.apply("mean_squared_error_grad", {call.in(0), call.in(1), call.grad()}), none};
}

std::vector<OpSample> samples() {
  return {{"odd", {random_tensor({7, 1}, 1), random_tensor({7}, 2)}, {}, {0}},
          {"one row", {random_tensor({1, 1}, 1), random_tensor({1}, 2)}, {}, {0}},
          {"large values", {random_tensor({4, 1}, 1, 1e4), random_tensor({4}, 2, 1e4)}, {}, {}}};
}

}  // namespace mean_squared_error_op
}  // namespace

Op op_mean_squared_error() {
  using namespace mean_squared_error_op;
  Op op{{"mean_squared_error", "mean squared difference of values and targets"},
        2,
        2,
        {"values", "targets"}};
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.samples = samples;
  return op;
}

}  // namespace hone
