// Gradients of batch_norm of inference by x, scale and shift, from those of y.
#include <cmath>
#include <vector>

#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace batch_norm_grad_op {

std::vector<ValueType> infer(const OpTypes& t) {
  const auto axis = static_cast<std::size_t>(t.attributes->integer("axis"));
  bool good = axis < t[0].dims.size() && t[0].dtype == DType::f32 && t[4] == t[0];
  for (std::size_t i = 1; good && i < 4; ++i)
    good = is_vector(t[i]) && t[i].dims[0] == t[0].dims[axis];
  if (!good)
    fail_shapes("batch_norm_grad", "x f32, scale, mean, variance of its channels, dy as x", t);
  return {t[0], t[1], t[1]};
}

void reference(const OpCall& call) {
  const Shape& shape = call.in(0).shape();
  const auto axis = static_cast<std::size_t>(call.attributes->integer("axis"));
  const double epsilon = call.attributes->real("epsilon");
  std::int64_t inner = 1;
  for (std::size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  const auto channels = static_cast<std::size_t>(shape[axis]);
  std::vector<double> by_scale(channels, 0.0), by_shift(channels, 0.0);
  for (std::int64_t i = 0; i < call.in(0).size(); ++i) {
    const auto c = static_cast<std::size_t>(i / inner % shape[axis]);
    const double root = std::sqrt(call.in(3).as<float>()[c] + epsilon);
    const double dy = call.in(4).as<float>()[i];
    call.out(0).as<float>()[i] = static_cast<float>(dy * call.in(1).as<float>()[c] / root);
    by_scale[c] += dy * (call.in(0).as<float>()[i] - call.in(2).as<float>()[c]) / root;
    by_shift[c] += dy;
  }
  for (std::size_t c = 0; c < channels; ++c) {
    call.out(1).as<float>()[c] = static_cast<float>(by_scale[c]);
    call.out(2).as<float>()[c] = static_cast<float>(by_shift[c]);
  }
}

std::vector<OpSample> samples() {
  const auto make = [](const char* name, const Shape& shape, std::int64_t axis) {
    const std::int64_t channels = shape[static_cast<std::size_t>(axis)];
    OpSample sample{name, {random_tensor(shape, 1)}, {{"axis", axis}}};
    for (const std::uint32_t seed : {2, 3, 4})
      sample.inputs.push_back(random_tensor({channels}, seed));
    for (float& variance : sample.inputs[3].span<float>()) variance = std::abs(variance) + 0.1f;
    sample.inputs.push_back(random_tensor(shape, 5));
    return sample;
  };
  return {make("planes", {2, 3, 5, 4}, 1), make("channels last", {2, 5, 4, 19}, 3),
          make("none", {0, 3, 2}, 1)};
}

}  // namespace batch_norm_grad_op
}  // namespace

Op op_batch_norm_grad() {
  using namespace batch_norm_grad_op;
  Op op{{"batch_norm_grad",
         "gradients of batch_norm by x, scale and shift",
         {{"axis", OptionType::integer, std::int64_t{1}, "dimension of the channels", 0, 7},
          {"epsilon", OptionType::real, 1e-5, "added to the variance", 0, 1}}},
        5,
        5,
        {"x", "scale", "mean", "variance", "dy"}};
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
