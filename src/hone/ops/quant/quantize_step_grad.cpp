// dstep of quantize_learned: the sum of dy times the derivative by the step, scaled so that steps
// move like weights.
#include "hone/ops/detail/learned.hpp"

namespace hone {
namespace {
namespace quantize_step_grad_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (t[0].dtype != DType::f32 || t[0].dims.empty() || !is_vector(t[1]) || !(t[0] == t[2]))
    fail_shapes("quantize_step_grad", "x f32[R,...], step f32[1], dy f32[R,C]", t);
  return {{DType::f32, {Dim(1)}}};
}

void reference(const OpCall& call) {
  const LearnedGrid grid(*call.attributes, call.in(1).as<float>()[0]);
  double sum = 0;
  for (std::int64_t i = 0; i < call.in(0).size(); ++i)
    sum += static_cast<double>(grid.slope(call.in(0).as<float>()[i])) * call.in(2).as<float>()[i];
  const double scale = step_gradient_scale(static_cast<double>(call.attributes->integer("count")),
                                           static_cast<double>(grid.high));
  call.out(0).as<float>()[0] = static_cast<float>(sum * scale);
}

}  // namespace quantize_step_grad_op
}  // namespace

Op op_quantize_step_grad() {
  using namespace quantize_step_grad_op;
  Op op{{"quantize_step_grad", "gradient of quantize_learned by its step", learned_attributes()},
        3,
        3,
        {"x", "step", "dy"},
        RowRule::reduce,
        5};
  op.infer = infer;
  op.reference = reference;
  op.samples = [] {
    const Tensor step = f32_tensor({1}, {0.1});
    return std::vector<OpSample>{
        {"odd",
         {random_tensor({7, 19}, 1), step, random_tensor({7, 19}, 2)},
         {{"width", std::int64_t{4}}, {"count", std::int64_t{19}}},
         {}},
        {"negative step",
         {random_tensor({7, 19}, 1), f32_tensor({1}, {-0.1}), random_tensor({7, 19}, 2)},
         {{"width", std::int64_t{4}}, {"count", std::int64_t{19}}},
         {}},
        {"tiles",
         {random_tensor({130, 32}, 1), step, random_tensor({130, 32}, 2)},
         {{"count", std::int64_t{32}}},
         {}},
        {"no rows", {random_tensor({0, 8}, 1), step, random_tensor({0, 8}, 2)}, {}, {}}};
  };
  return op;
}

}  // namespace hone
