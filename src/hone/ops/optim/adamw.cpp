// One AdamW step, in place: p, m, v from the gradient times the clip factor. `schedule` holds the
// learning rate of every step of the run; `step` counts from 1.
#include "hone/ops/detail/adamw.hpp"

namespace hone {
namespace {
namespace adamw_op {

std::vector<ValueType> infer(const OpTypes& t) {
  for (std::size_t i = 0; i < 4; ++i)
    if (t[i].dtype != DType::f32 || !(t[i].dims == t[0].dims))
      fail_shapes("adamw", "p, g, m, v f32 of one shape", t);
  if (!is_vector(t[4]) || !is_vector(t[5]) || !is_vector(t[6], DType::i32))
    fail_shapes("adamw", "clip f32[1], schedule f32[S], step i32[1]", t);
  return {t[0], t[0], t[0]};
}

void reference(const OpCall& call) {
  const AdamwSettings settings = adamw_settings(*call.attributes);
  const std::int64_t step = call.in(6).as<std::int32_t>()[0];
  const double lr = call.in(5).as<float>()[step - 1];
  const double clip = call.in(4).as<float>()[0];
  const bool keeps = call.attributes->boolean("keep_sign");
  for (std::int64_t i = 0; i < call.in(0).size(); ++i) {
    const double before = call.out(0).as<float>()[i];
    double p = before;
    double m = call.out(1).as<float>()[i];
    double v = call.out(2).as<float>()[i];
    adamw_element(p, m, v, clip * call.in(1).as<float>()[i], lr, step, settings);
    call.out(0).as<float>()[i] = static_cast<float>(keeps ? keep_sign(before, p) : p);
    call.out(1).as<float>()[i] = static_cast<float>(m);
    call.out(2).as<float>()[i] = static_cast<float>(v);
  }
}

std::vector<OpSample> samples() {
  const auto make = [](const char* name, Shape shape, std::int32_t step, double decay) {
    Tensor v = random_tensor(shape, 4, 0.01);
    for (float& value : v.span<float>()) value *= value;
    return OpSample{name,
                    {random_tensor(shape, 1), random_tensor(shape, 2, 0.1),
                     random_tensor(shape, 3, 0.01), v, f32_tensor({1}, {0.5}),
                     f32_tensor({4}, {1e-3, 2e-3, 1e-3, 5e-4}), int_tensor({1}, {step})},
                    {{"weight_decay", decay}},
                    {}};
  };
  std::vector<OpSample> list{make("first step", {5, 7}, 1, 0.0), make("decay", {130}, 3, 0.1),
                             make("large", {300, 70}, 4, 0.01)};
  // Elements of both signs that the step would carry through zero.
  OpSample& kept = list.emplace_back(make("keeps signs", {130}, 1, 0.0));
  for (float& p : kept.inputs[0].span<float>()) p *= 1e-3f;
  kept.attributes.set("keep_sign", true);
  return list;
}

}  // namespace adamw_op
}  // namespace

Op op_adamw() {
  using namespace adamw_op;
  std::vector<OptionSpec> options = adamw_options();
  options.push_back(keep_sign_option());
  Op op{{"adamw", "one AdamW step", std::move(options)},
        7,
        7,
        {"p", "g", "m", "v", "clip", "schedule", "step"}};
  op.in_place = {0, 2, 3};
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
