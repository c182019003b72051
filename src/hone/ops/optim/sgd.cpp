// One step of stochastic gradient descent with momentum, in place, as torch.optim.SGD has it:
// g += weight_decay p; m = momentum m + g; p -= lr m, with Nesterov's momentum lr (g + momentum m).
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace sgd_op {

std::vector<ValueType> infer(const OpTypes& t) {
  for (std::size_t i = 0; i < 3; ++i)
    if (t[i].dtype != DType::f32 || !(t[i].dims == t[0].dims))
      fail_shapes("sgd", "p, g, m f32 of one shape", t);
  if (!is_vector(t[3]) || !is_vector(t[4]) || !is_vector(t[5], DType::i32))
    fail_shapes("sgd", "clip f32[1], schedule f32[S], step i32[1]", t);
  return {t[0], t[0]};
}

void reference(const OpCall& call) {
  const double momentum = call.attributes->real("momentum");
  const double decay = call.attributes->real("weight_decay");
  const double lr = call.in(4).as<float>()[call.in(5).as<std::int32_t>()[0] - 1];
  const double clip = call.in(3).as<float>()[0];
  const bool nesterov = call.attributes->boolean("nesterov");
  const bool keeps = call.attributes->boolean("keep_sign");
  for (std::int64_t i = 0; i < call.in(0).size(); ++i) {
    const double p = call.out(0).as<float>()[i];
    const double g = clip * call.in(1).as<float>()[i] + decay * p;
    const double m = momentum * call.out(1).as<float>()[i] + g;
    const double after = p - lr * (nesterov ? g + momentum * m : m);
    call.out(0).as<float>()[i] = static_cast<float>(keeps ? keep_sign(p, after) : after);
    call.out(1).as<float>()[i] = static_cast<float>(m);
  }
}

std::vector<OpSample> samples() {
  const auto make = [](const char* name, Shape shape, double momentum) {
    return OpSample{name,
                    {random_tensor(shape, 1), random_tensor(shape, 2), random_tensor(shape, 3),
                     f32_tensor({1}, {0.5}), f32_tensor({2}, {1e-2, 1e-3}), int_tensor({1}, {2})},
                    {{"momentum", momentum}, {"weight_decay", 0.01}},
                    {}};
  };
  std::vector<OpSample> list{make("plain", {5, 7}, 0.0), make("momentum", {130}, 0.9),
                             make("nesterov", {3, 77}, 0.9)};
  list.back().attributes.set("nesterov", true);
  OpSample& kept = list.emplace_back(make("keeps signs", {130}, 0.9));
  for (float& p : kept.inputs[0].span<float>()) p *= 1e-3f;
  kept.attributes.set("keep_sign", true);
  return list;
}

}  // namespace sgd_op
}  // namespace

Op op_sgd() {
  using namespace sgd_op;
  Op op{{"sgd",
         "one step of stochastic gradient descent",
         {{"momentum", OptionType::real, 0.0, "momentum", 0.0, 1.0},
          {"weight_decay", OptionType::real, 0.0, "weight decay", 0.0, 100.0},
          {"nesterov", OptionType::boolean, false, "Nesterov's momentum"},
          keep_sign_option()}},
        6,
        6,
        {"p", "g", "m", "clip", "schedule", "step"}};
  op.in_place = {0, 2};
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
