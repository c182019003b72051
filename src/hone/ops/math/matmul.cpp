// y = a b, with a[R,K], b[K,N].
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace matmul_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0]) || !is_matrix(t[1]) || t[0].dims[1] != t[1].dims[0])
    fail_shapes("matmul", "a f32[R,K], b f32[K,N]", t);
  return {{DType::f32, {t[0].dims[0], t[1].dims[1]}}};
}

void reference(const OpCall& call) {
  const std::int64_t rows = row_count(call.in(0));
  const std::int64_t k = call.in(1).shape()[0];
  const std::int64_t n = call.in(1).shape()[1];
  const float* a = call.in(0).as<float>();
  const float* b = call.in(1).as<float>();
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::int64_t i = 0; i < k; ++i) sum += static_cast<double>(a[r * k + i]) * b[i * n + j];
      call.out(0).as<float>()[r * n + j] = static_cast<float>(sum);
    }
  }
}

std::vector<ValueId> gradient(const GradientCall& call) {
  Graph& g = call.graph;
  return {g.apply("linear", {call.grad(), call.in(1)}),
          g.apply("matmul_tn", {call.in(0), call.grad()})};
}

double flop(const std::vector<Shape>& inputs, const Options&) {
  return 2.0 * static_cast<double>(inputs[0][0]) * static_cast<double>(inputs[1][0]) *
         static_cast<double>(inputs[1][1]);
}

std::vector<OpSample> samples() {
  const auto make = [](const char* name, std::int64_t r, std::int64_t k, std::int64_t n,
                       bool differentiable) {
    OpSample sample{name, {random_tensor({r, k}, 1), random_tensor({k, n}, 2)}, {}, {}};
    if (differentiable) sample.differentiable = {0, 1};
    return sample;
  };
  return {make("one row", 1, 4, 3, true), make("odd", 7, 19, 5, true),
          make("no rows", 0, 8, 8, false), make("tiles", 130, 64, 128, false),
          make("wide", 33, 67, 200, false)};
}

}  // namespace matmul_op
}  // namespace

Op op_matmul() {
  using namespace matmul_op;
  Op op{{"matmul", "y = a b"}, 2, 2, {"a", "b"}, RowRule::rows};
  op.slots = {{0, 1}};
  op.linear_rows = 1;
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.flop = flop;
  op.samples = samples;
  return op;
}

}  // namespace hone
