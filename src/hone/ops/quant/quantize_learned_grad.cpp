// dx of quantize_learned: dy where x lies between the limits.
#include "hone/ops/detail/learned.hpp"

namespace hone {
namespace {
namespace quantize_learned_grad_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (t[0].dtype != DType::f32 || t[0].dims.empty() || !is_vector(t[1]) || !(t[0] == t[2]))
    fail_shapes("quantize_learned_grad", "x f32[R,...], step f32[1], dy f32[R,C]", t);
  return {t[0]};
}

void reference(const OpCall& call) {
  const LearnedGrid grid(*call.attributes, call.in(1).as<float>()[0]);
  for (std::int64_t i = 0; i < call.in(0).size(); ++i)
    call.out(0).as<float>()[i] =
        grid.inside(call.in(0).as<float>()[i]) ? call.in(2).as<float>()[i] : 0.0f;
}

}  // namespace quantize_learned_grad_op
}  // namespace

Op op_quantize_learned_grad() {
  using namespace quantize_learned_grad_op;
  Op op{{"quantize_learned_grad", "gradient of quantize_learned by x", learned_attributes()},
        3,
        3,
        {"x", "step", "dy"},
        RowRule::rows,
        5};
  op.cheap = true;
  op.infer = infer;
  op.reference = reference;
  op.samples = [] {
    const Tensor step = f32_tensor({1}, {0.1});
    return std::vector<OpSample>{
        {"odd",
         {random_tensor({7, 19}, 1), step, random_tensor({7, 19}, 2)},
         {{"width", std::int64_t{4}}},
         {}},
        {"negative step",
         {random_tensor({7, 19}, 1), f32_tensor({1}, {-0.1}), random_tensor({7, 19}, 2)},
         {{"width", std::int64_t{4}}},
         {}},
        {"no rows", {random_tensor({0, 8}, 1), step, random_tensor({0, 8}, 2)}, {}, {}}};
  };
  return op;
}

}  // namespace hone
