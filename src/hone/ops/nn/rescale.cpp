// y = bias + g (x - bias), with x[R,N], g[N], bias[N] (optional): each column of what a layer
// gives, its bias aside, by a factor of its own.
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace rescale_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0]) || !is_vector(t[1]) || t[1].dims[0] != t[0].dims[1] ||
      (t.has(2) && (!is_vector(t[2]) || t[2].dims[0] != t[0].dims[1])))
    fail_shapes("rescale", "x f32[R,N], g f32[N], bias f32[N]", t);
  return {t[0]};
}

void reference(const OpCall& call) {
  const std::int64_t n = row_size(call.in(0));
  for (std::int64_t i = 0; i < call.in(0).size(); ++i) {
    const double bias = call.has(2) ? call.in(2).as<float>()[i % n] : 0.0;
    call.out(0).as<float>()[i] = static_cast<float>(bias + call.in(1).as<float>()[i % n] *
                                                               (call.in(0).as<float>()[i] - bias));
  }
}

std::vector<ValueId> gradient(const GradientCall& call) {
  Graph& g = call.graph;
  const ValueId bias = call.in(2);
  const ValueId dx = g.apply("rescale", {call.grad(), call.in(1)});
  ValueId bare = call.in(0);
  if (bias != none) bare = g.apply("sub", {bare, g.apply("broadcast_rows", {bias, bare})});
  return {dx, g.apply("sum_rows", {g.apply("mul", {call.grad(), bare})}),
          bias == none ? none : g.apply("sum_rows", {g.apply("sub", {call.grad(), dx})})};
}

}  // namespace rescale_op
}  // namespace

Op op_rescale() {
  using namespace rescale_op;
  Op op{{"rescale", "multiplies columns, a bias aside"}, 2, 3, {"x", "g", "bias"}, RowRule::rows};
  op.stands_for = 0;
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.samples = [] {
    const auto make = [](const char* name, std::int64_t rows, std::int64_t n, bool bias) {
      return OpSample{name,
                      {random_tensor({rows, n}, 1), random_tensor({n}, 2),
                       bias ? random_tensor({n}, 3) : Tensor()},
                      {},
                      {}};
    };
    std::vector<OpSample> list{make("one row", 1, 5, true), make("odd", 7, 19, true),
                               make("no bias", 5, 8, false), make("no rows", 0, 8, true),
                               make("wide", 65, 200, true)};
    list[0].differentiable = list[1].differentiable = {0, 1, 2};
    list[2].differentiable = {0, 1};
    return list;
  };
  return op;
}

}  // namespace hone
