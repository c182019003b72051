// Batch norm of inference: y = (x - mean) / sqrt(variance + epsilon) * scale + shift, numbers of
// each channel (dimension `axis`).
#include <cmath>

#include "hone/core/error.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {
namespace batch_norm_op {

std::vector<ValueType> infer(const OpTypes& t) {
  const auto axis = static_cast<std::size_t>(t.attributes->integer("axis"));
  bool good = axis < t[0].dims.size() && is_real(t[0].dtype);
  for (std::size_t i = 1; good && i < 5; ++i)
    good = t[i].dims.size() == 1 && t[i].dims[0] == t[0].dims[axis] && is_real(t[i].dtype);
  if (!good) fail_shapes("batch_norm", "x, and scale, shift, mean, variance of its channels", t);
  return {t[0]};
}

void reference(const OpCall& call) {
  const Shape& shape = call.in(0).shape();
  const auto axis = static_cast<std::size_t>(call.attributes->integer("axis"));
  const double epsilon = call.attributes->real("epsilon");
  std::int64_t inner = 1;
  for (std::size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  for (std::int64_t i = 0; i < call.in(0).size(); ++i) {
    const std::int64_t c = i / inner % shape[axis];
    const double root = std::sqrt(real_at(call.in(4), c) + epsilon);
    set_real(call.out(0), i,
             (real_at(call.in(0), i) - real_at(call.in(3), c)) / root * real_at(call.in(1), c) +
                 real_at(call.in(2), c));
  }
}

std::vector<ValueId> gradient(const GradientCall& call) {
  for (const std::size_t i : {3, 4})
    if (call.graph.value(call.in(i)).kind == ValueKind::parameter)
      throw Error(ErrorCode::unsupported,
                  "[batch_norm] has no gradient by its mean and variance, which are known numbers");
  const NodeId node = call.graph.append(
      "batch_norm_grad", {call.in(0), call.in(1), call.in(3), call.in(4), call.grad()},
      call.attributes());
  const std::vector<ValueId> made = call.graph.node(node).outputs;
  return {made[0], made[1], made[2], none, none};
}

std::vector<OpSample> samples() {
  const auto make = [](const char* name, Shape shape, std::int64_t axis) {
    const std::int64_t channels = shape[static_cast<std::size_t>(axis)];
    OpSample sample{name, {random_tensor(std::move(shape), 1)}, {{"axis", axis}}};
    for (std::uint32_t seed : {2, 3, 4, 5})
      sample.inputs.push_back(random_tensor({channels}, seed));
    for (float& variance : sample.inputs[4].span<float>()) variance = std::abs(variance) + 0.1f;
    if (sample.inputs[0].size() > 0) sample.differentiable = {0, 1, 2};
    return sample;
  };
  return {make("planes", {2, 3, 5, 4}, 1), make("channels last", {2, 5, 4, 19}, 3),
          make("matrix", {7, 33}, 1), make("none", {0, 3, 2}, 1)};
}

}  // namespace batch_norm_op
}  // namespace

Op op_batch_norm() {
  using namespace batch_norm_op;
  Op op{{"batch_norm",
         "numbers of each channel, normalized by known means and variances",
         {{"axis", OptionType::integer, std::int64_t{1}, "dimension of the channels", 0, 7},
          {"epsilon", OptionType::real, 1e-5, "added to the variance", 0, 1}}},
        5,
        5,
        {"x", "scale", "shift", "mean", "variance"}};
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.flop = [](const std::vector<Shape>& inputs, const Options&) {
    return 2.0 * static_cast<double>(element_count(inputs[0]));
  };
  op.samples = samples;
  return op;
}

}  // namespace hone
