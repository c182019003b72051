// dx of layer_norm: with g = dy gamma and x^ = (x - mean) rstd,
// dx = rstd (g - mean(g) - x^ mean(g x^)).
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace layer_norm_grad_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0]) || !(t[0] == t[1]) || !is_vector(t[2]) || !(t[2] == t[3]) ||
      !is_vector(t[4]) || t[2].dims[0] != t[0].dims[0] || t[4].dims[0] != t[0].dims[1])
    fail_shapes("layer_norm_grad",
                "dy f32[R,N], x f32[R,N], mean f32[R], rstd f32[R], gamma f32[N]", t);
  return {t[0]};
}

void reference(const OpCall& call) {
  const std::int64_t n = row_size(call.in(0));
  for (std::int64_t r = 0; r < row_count(call.in(0)); ++r) {
    const float* dy = call.in(0).as<float>() + r * n;
    const float* x = call.in(1).as<float>() + r * n;
    const double mean = call.in(2).as<float>()[r];
    const double rstd = call.in(3).as<float>()[r];
    double mean_g = 0;
    double mean_gx = 0;
    for (std::int64_t j = 0; j < n; ++j) {
      const double g = static_cast<double>(dy[j]) * call.in(4).as<float>()[j];
      mean_g += g / static_cast<double>(n);
      mean_gx += g * (x[j] - mean) * rstd / static_cast<double>(n);
    }
    for (std::int64_t j = 0; j < n; ++j) {
      const double g = static_cast<double>(dy[j]) * call.in(4).as<float>()[j];
      call.out(0).as<float>()[r * n + j] =
          static_cast<float>(rstd * (g - mean_g - (x[j] - mean) * rstd * mean_gx));
    }
  }
}

std::vector<OpSample> samples() {
  const auto make = [](const char* name, std::int64_t r, std::int64_t n) {
    return OpSample{name,
                    {random_tensor({r, n}, 1), random_tensor({r, n}, 2), random_tensor({r}, 3, 0.1),
                     random_tensor({r}, 4, 0.5), random_tensor({n}, 5)},
                    {},
                    {}};
  };
  return {make("one row", 1, 5), make("odd", 7, 19), make("no rows", 0, 8), make("wide", 65, 128)};
}

}  // namespace layer_norm_grad_op
}  // namespace

Op op_layer_norm_grad() {
  using namespace layer_norm_grad_op;
  Op op{{"layer_norm_grad", "gradient of layer_norm for x"},
        5,
        5,
        {"dy", "x", "mean", "rstd", "gamma"},
        RowRule::rows,
        1 | 2 | 4 | 8};
  op.linear_rows = 1;
  op.infer = infer;
  op.reference = reference;
  op.flop = [](const std::vector<Shape>& s, const Options&) {
    return 11.0 * static_cast<double>(s[0][0] * s[0][1]);
  };
  op.samples = samples;
  return op;
}

}  // namespace hone
