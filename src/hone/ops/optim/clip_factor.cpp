// What gradients are multiplied by so that their norm stays below `limit`:
// min(1, limit / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_ has it. limit = 0: never clips.
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace clip_factor_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_vector(t[0])) fail_shapes("clip_factor", "norm f32[1]", t);
  return {t[0]};
}

void reference(const OpCall& call) {
  const double limit = call.attributes->real("limit");
  const double norm = call.in(0).as<float>()[0];
  const double factor = limit / (norm + 1e-6);
  // A NaN norm stays NaN: the training loop must see it.
  call.out(0).as<float>()[0] = static_cast<float>(limit == 0 || factor > 1.0 ? 1.0 : factor);
}

std::vector<OpSample> samples() {
  return {{"clips", {f32_tensor({1}, {4.0})}, {{"limit", 1.0}}, {}},
          {"keeps", {f32_tensor({1}, {0.5})}, {{"limit", 1.0}}, {}},
          {"off", {f32_tensor({1}, {4.0})}, {{"limit", 0.0}}, {}}};
}

}  // namespace clip_factor_op
}  // namespace

Op op_clip_factor() {
  using namespace clip_factor_op;
  Op op{{"clip_factor",
         "factor that keeps the gradient norm below a limit",
         {{"limit", OptionType::real, {}, "largest norm; 0: no clipping", 0.0, 1e30}}},
        1,
        1,
        {"norm"}};
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
