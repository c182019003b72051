// y = step * clamp(round(x / step), low, high) with a trained step (Esser et al., arXiv
// 1902.08153).
#include "hone/ops/detail/learned.hpp"
#include "hone/ops/detail/quantizer.hpp"

namespace hone {
namespace {
namespace quantize_learned_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (t[0].dtype != DType::f32 || t[0].dims.empty() || !is_vector(t[1]) ||
      !(t[1].dims[0] == Dim(1)))
    fail_shapes("quantize_learned", "x f32[R,...], step f32[1]", t);
  return {t[0]};
}

void reference(const OpCall& call) {
  const LearnedGrid grid(*call.attributes, call.in(1).as<float>()[0]);
  for (std::int64_t i = 0; i < call.in(0).size(); ++i)
    call.out(0).as<float>()[i] = grid.code(call.in(0).as<float>()[i]) * grid.step;
}

std::vector<ValueId> gradient(const GradientCall& call) {
  Options attributes = call.attributes();
  attributes.erase("slot");
  const std::vector<ValueId> inputs{call.in(0), call.in(1), call.grad()};
  return {call.graph.apply("quantize_learned_grad", inputs, attributes),
          call.graph.apply("quantize_step_grad", inputs, attributes)};
}

}  // namespace quantize_learned_op
}  // namespace

Op op_quantize_learned() {
  using namespace quantize_learned_op;
  std::vector<OptionSpec> options = learned_attributes();
  options.push_back(slot_attribute());
  Op op{{"quantize_learned", "rounds to multiples of a trained step", std::move(options)},
        2,
        2,
        {"x", "step"},
        RowRule::rows};
  op.cheap = true;
  op.straight_through = true;
  op.stands_for = 0;
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.samples = [] {
    const Tensor step = f32_tensor({1}, {0.03});
    return std::vector<OpSample>{
        {"odd", {random_tensor({7, 19}, 1), step}, {{"width", std::int64_t{6}}}, {}},
        {"one row", {random_tensor({1, 5}, 1), step}, {{"is_signed", false}}, {}},
        {"power", {random_tensor({65, 128}, 1), step}, {{"power_of_two", true}}, {}},
        {"negative step", {random_tensor({7, 19}, 1), f32_tensor({1}, {-0.03})}, {}, {}},
        {"no rows", {random_tensor({0, 8}, 1), step}, {}, {}}};
  };
  return op;
}

}  // namespace hone
