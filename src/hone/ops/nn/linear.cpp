// y = x w^T + b, with x[R,K], w[N,K], b[N] (optional): the layer of every framework.
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace linear_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0]) || !is_matrix(t[1]) || t[0].dims[1] != t[1].dims[1] ||
      (t.has(2) && (!is_vector(t[2]) || t[2].dims[0] != t[1].dims[0])))
    fail_shapes("linear", "x f32[R,K], w f32[N,K], b f32[N]", t);
  return {{DType::f32, {t[0].dims[0], t[1].dims[0]}}};
}

void reference(const OpCall& call) {
  const std::int64_t rows = row_count(call.in(0));
  const std::int64_t k = call.in(1).shape()[1];
  const std::int64_t n = call.in(1).shape()[0];
  const float* x = call.in(0).as<float>();
  const float* w = call.in(1).as<float>();
  float* y = call.out(0).as<float>();
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = call.has(2) ? call.in(2).as<float>()[j] : 0.0;
      for (std::int64_t i = 0; i < k; ++i) sum += static_cast<double>(x[r * k + i]) * w[j * k + i];
      y[r * n + j] = static_cast<float>(sum);
    }
  }
}

std::vector<ValueId> gradient(const GradientCall& call) {
  Graph& g = call.graph;
  const ValueId x = call.in(0);
  const ValueId w = call.in(1);
  const ValueId b = call.in(2);
  return {g.apply("matmul", {call.grad(), w}), g.apply("matmul_tn", {call.grad(), x}),
          b == none ? none : g.apply("sum_rows", {call.grad()})};
}

double flop(const std::vector<Shape>& inputs, const Options&) {
  return 2.0 * static_cast<double>(inputs[0][0]) * static_cast<double>(inputs[1][0]) *
         static_cast<double>(inputs[1][1]);
}

std::vector<OpSample> samples() {
  const auto make = [](const char* name, std::int64_t r, std::int64_t k, std::int64_t n,
                       bool bias) {
    OpSample sample{name, {random_tensor({r, k}, 1), random_tensor({n, k}, 2)}, {}, {}};
    sample.inputs.push_back(bias ? random_tensor({n}, 3) : Tensor());
    return sample;
  };
  std::vector<OpSample> list{make("one row", 1, 4, 3, true),    make("odd", 7, 19, 5, true),
                             make("no bias", 5, 8, 6, false),   make("no rows", 0, 8, 8, true),
                             make("tiles", 130, 128, 64, true), make("wide", 33, 67, 200, true)};
  list[0].differentiable = list[1].differentiable = {0, 1, 2};
  list[2].differentiable = {0, 1};
  return list;
}

}  // namespace linear_op
}  // namespace

Op op_linear() {
  using namespace linear_op;
  Op op{{"linear", "y = x w^T + b"}, 2, 3, {"x", "w", "b"}, RowRule::rows};
  op.slots = {{0}, 1, 2};
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.flop = flop;
  op.samples = samples;
  return op;
}

}  // namespace hone
