// y = (x - mean) rstd gamma + beta over each row of x[R,N]; also gives mean[R] and
// rstd[R] = 1 / sqrt(variance + epsilon) (Ba et al., arXiv 1607.06450).
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace layer_norm_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0]) || !is_vector(t[1]) || !is_vector(t[2]) || t[1].dims[0] != t[0].dims[1] ||
      !(t[1] == t[2]))
    fail_shapes("layer_norm", "x f32[R,N], gamma f32[N], beta f32[N]", t);
  const ValueType per_row{DType::f32, {t[0].dims[0]}};
  return {t[0], per_row, per_row};
}

void reference(const OpCall& call) {
  const std::int64_t n = row_size(call.in(0));
  const double epsilon = call.attributes->real("epsilon");
  for (std::int64_t r = 0; r < row_count(call.in(0)); ++r) {
    const float* x = call.in(0).as<float>() + r * n;
    double mean = 0;
    double variance = 0;
    for (std::int64_t j = 0; j < n; ++j) mean += x[j];
    mean /= static_cast<double>(n);
    for (std::int64_t j = 0; j < n; ++j) variance += (x[j] - mean) * (x[j] - mean);
    const double rstd = 1.0 / std::sqrt(variance / static_cast<double>(n) + epsilon);
    for (std::int64_t j = 0; j < n; ++j)
      call.out(0).as<float>()[r * n + j] = static_cast<float>(
          (x[j] - mean) * rstd * call.in(1).as<float>()[j] + call.in(2).as<float>()[j]);
    call.out(1).as<float>()[r] = static_cast<float>(mean);
    call.out(2).as<float>()[r] = static_cast<float>(rstd);
  }
}

std::vector<ValueId> gradient(const GradientCall& call) {
  Graph& g = call.graph;
  const ValueId x = call.in(0);
  const ValueId mean = call.out(1);
  const ValueId rstd = call.out(2);
  return {g.apply("layer_norm_grad", {call.grad(), x, mean, rstd, call.in(1)}),
          g.apply("layer_norm_grad_scale", {call.grad(), x, mean, rstd}),
          g.apply("sum_rows", {call.grad()})};
}

std::vector<OpSample> samples() {
  const Options attributes{{"epsilon", 1e-12}};
  const auto make = [&](const char* name, Shape shape, double scale,
                        std::vector<int> differentiable) {
    const std::int64_t n = shape[1];
    return OpSample{
        name,
        {random_tensor(std::move(shape), 1, scale), random_tensor({n}, 2), random_tensor({n}, 3)},
        attributes,
        std::move(differentiable)};
  };
  return {make("one row", {1, 5}, 1, {0, 1, 2}), make("odd", {7, 19}, 1, {0, 1, 2}),
          make("no rows", {0, 8}, 1, {}), make("large values", {3, 130}, 1000, {}),
          make("wide", {65, 128}, 1, {})};
}

}  // namespace layer_norm_op
}  // namespace

Op op_layer_norm() {
  using namespace layer_norm_op;
  Op op{{"layer_norm",
         "normalizes each row, then scales and shifts it",
         {{"epsilon", OptionType::real, 1e-12, "added to the variance", 0.0, 1.0}}},
        3,
        3,
        {"x", "gamma", "beta"},
        RowRule::rows};
  op.slots = {{0}};
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.flop = [](const std::vector<Shape>& s, const Options&) {
    return 8.0 * static_cast<double>(s[0][0] * s[0][1]);
  };
  op.samples = samples;
  return op;
}

}  // namespace hone
