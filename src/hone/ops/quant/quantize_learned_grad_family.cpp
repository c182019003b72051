// Gradients of quantize_learned, of x, step[1] and dy:
//   quantize_learned_grad  dx: dy where x lies between the limits
//   quantize_step_grad     dstep: the sum of dy times the derivative by the step, scaled so that
//                          steps move like weights
#include "hone/ops/detail/learned.hpp"

namespace hone {
namespace {
namespace quantize_learned_grad_family {

void check_types(const char* op, const OpTypes& t) {
  if (t[0].dtype != DType::f32 || t[0].dims.empty() || !is_vector(t[1]) || !(t[0] == t[2]))
    fail_shapes(op, "x f32[R,...], step f32[1], dy f32[R,C]", t);
}

OpSample sample(const char* name, const Shape& shape, double step, const Options& attributes) {
  return {name,
          {random_tensor(shape, 1), f32_tensor({1}, {step}), random_tensor(shape, 2)},
          attributes,
          {}};
}

Op gradient_op(const char* name, const char* summary, RowRule rows) {
  return {{name, summary, learned_attributes()}, 3, 3, {"x", "step", "dy"}, rows, 1 | 4};
}

Op by_x() {
  Op op = gradient_op("quantize_learned_grad", "gradient of quantize_learned by x", RowRule::rows);
  op.cheap = true;
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    check_types("quantize_learned_grad", t);
    return {t[0]};
  };
  op.reference = [](const OpCall& call) {
    const LearnedGrid grid(*call.attributes, call.in(1).as<float>()[0]);
    for (std::int64_t i = 0; i < call.in(0).size(); ++i)
      call.out(0).as<float>()[i] =
          grid.inside(call.in(0).as<float>()[i]) ? call.in(2).as<float>()[i] : 0.0f;
  };
  op.samples = [] {
    const Options narrow{{"width", std::int64_t{4}}};
    return std::vector<OpSample>{sample("odd", {7, 19}, 0.1, narrow),
                                 sample("negative step", {7, 19}, -0.1, narrow),
                                 sample("no rows", {0, 8}, 0.1, {})};
  };
  return op;
}

Op by_step() {
  Op op = gradient_op("quantize_step_grad", "gradient of quantize_learned by its step",
                      RowRule::reduce);
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    check_types("quantize_step_grad", t);
    return {{DType::f32, {Dim(1)}}};
  };
  op.reference = [](const OpCall& call) {
    const LearnedGrid grid(*call.attributes, call.in(1).as<float>()[0]);
    double sum = 0;
    for (std::int64_t i = 0; i < call.in(0).size(); ++i)
      sum += static_cast<double>(grid.slope(call.in(0).as<float>()[i])) * call.in(2).as<float>()[i];
    const double scale = step_gradient_scale(static_cast<double>(call.attributes->integer("count")),
                                             static_cast<double>(grid.high));
    call.out(0).as<float>()[0] = static_cast<float>(sum * scale);
  };
  op.samples = [] {
    const Options narrow{{"width", std::int64_t{4}}, {"count", std::int64_t{19}}};
    return std::vector<OpSample>{sample("odd", {7, 19}, 0.1, narrow),
                                 sample("negative step", {7, 19}, -0.1, narrow),
                                 sample("tiles", {130, 32}, 0.1, {{"count", std::int64_t{32}}}),
                                 sample("no rows", {0, 8}, 0.1, {})};
  };
  return op;
}

}  // namespace quantize_learned_grad_family
}  // namespace

std::vector<Op> op_quantize_learned_grad_family() {
  using namespace quantize_learned_grad_family;
  return {by_x(), by_step()};
}

}  // namespace hone
