// dgamma of layer_norm: the sum over rows of dy (x - mean) rstd.
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace layer_norm_grad_scale_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0]) || !(t[0] == t[1]) || !is_vector(t[2]) || !(t[2] == t[3]) ||
      t[2].dims[0] != t[0].dims[0])
    fail_shapes("layer_norm_grad_scale", "dy f32[R,N], x f32[R,N], mean f32[R], rstd f32[R]", t);
  return {{DType::f32, {t[0].dims[1]}}};
}

void reference(const OpCall& call) {
  const std::int64_t n = row_size(call.in(0));
  for (std::int64_t j = 0; j < n; ++j) {
    double sum = 0;
    for (std::int64_t r = 0; r < row_count(call.in(0)); ++r)
      sum += static_cast<double>(call.in(0).as<float>()[r * n + j]) *
             (call.in(1).as<float>()[r * n + j] - static_cast<double>(call.in(2).as<float>()[r])) *
             call.in(3).as<float>()[r];
    call.out(0).as<float>()[j] = static_cast<float>(sum);
  }
}

std::vector<OpSample> samples() {
  const auto make = [](const char* name, std::int64_t r, std::int64_t n) {
    return OpSample{name,
                    {random_tensor({r, n}, 1), random_tensor({r, n}, 2), random_tensor({r}, 3, 0.1),
                     random_tensor({r}, 4, 0.5)},
                    {},
                    {}};
  };
  return {make("one row", 1, 5), make("odd", 7, 19), make("no rows", 0, 8), make("wide", 65, 128)};
}

}  // namespace layer_norm_grad_scale_op
}  // namespace

Op op_layer_norm_grad_scale() {
  using namespace layer_norm_grad_scale_op;
  Op op{{"layer_norm_grad_scale", "gradient of layer_norm for gamma"},
        4,
        4,
        {"dy", "x", "mean", "rstd"},
        RowRule::reduce,
        15};
  op.linear_rows = 1;
  op.infer = infer;
  op.reference = reference;
  op.flop = [](const std::vector<Shape>& s, const Options&) {
    return 4.0 * static_cast<double>(s[0][0] * s[0][1]);
  };
  op.samples = samples;
  return op;
}

}  // namespace hone
