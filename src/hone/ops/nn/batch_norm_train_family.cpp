// Batch norm of training (Ioffe and Szegedy, arXiv 1502.03167): numbers of each channel (dimension
// `axis`) are normalised by the mean and variance that they have in the batch,
//   y = (x - mean) / sqrt(variance + epsilon) * scale + shift,  variance the mean squared
//   deviation.
// For inference running means of both are kept, of the variance without bias (n - 1), as PyTorch.
#include <cmath>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace batch_norm_train_family {

OptionSpec axis_option() {
  return {"axis", OptionType::integer, std::int64_t{1}, "dimension of the channels", 0, 7};
}
OptionSpec epsilon_option() {
  return {"epsilon", OptionType::real, 1e-5, "added to the variance", 0, 1};
}

// x f32 with vectors of its channels from input `first` on.
void check_types(const OpTypes& t, const char* op, std::size_t first, std::size_t vectors) {
  const auto axis = static_cast<std::size_t>(t.attributes->integer("axis"));
  bool good = axis < t[0].dims.size() && t[0].dtype == DType::f32;
  for (std::size_t i = first; good && i < first + vectors; ++i)
    good = is_vector(t[i]) && t[i].dims[0] == t[0].dims[axis];
  if (!good) fail_shapes(op, "x f32, and vectors of its channels", t);
}

// Calls take(i, channel) for each number of x.
template <typename Take>
void for_each_number(const Tensor& x, std::int64_t axis, const Take& take) {
  const Shape& shape = x.shape();
  std::int64_t inner = 1;
  for (std::size_t d = static_cast<std::size_t>(axis) + 1; d < shape.size(); ++d) inner *= shape[d];
  const std::int64_t channels = shape[static_cast<std::size_t>(axis)];
  for (std::int64_t i = 0; i < x.size(); ++i)
    take(i, static_cast<std::size_t>(i / inner % channels));
}

std::int64_t numbers_of_channel(const OpCall& call) {
  const Tensor& x = call.in(0);
  const std::int64_t channels =
      x.shape()[static_cast<std::size_t>(call.attributes->integer("axis"))];
  return channels == 0 ? 0 : x.size() / channels;
}

Op train_op() {
  Op op{{"batch_norm_train",
         "numbers of each channel, normalised by their mean and variance",
         {axis_option(), epsilon_option()}},
        3,
        3,
        {"x", "scale", "shift"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    check_types(t, "batch_norm_train", 1, 2);
    return {t[0], t[1], t[1]};
  };
  op.reference = [](const OpCall& call) {
    const Tensor& x = call.in(0);
    const std::int64_t axis = call.attributes->integer("axis"), count = numbers_of_channel(call);
    if (count < 2)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("[batch_norm_train] {} number a channel has no variance", count),
                  "use a larger batch");
    const auto channels = static_cast<std::size_t>(call.in(1).size());
    std::vector<double> mean(channels), variance(channels);
    for_each_number(x, axis, [&](std::int64_t i, std::size_t c) { mean[c] += x.as<float>()[i]; });
    for (double& value : mean) value /= static_cast<double>(count);
    for_each_number(x, axis, [&](std::int64_t i, std::size_t c) {
      variance[c] += std::pow(x.as<float>()[i] - mean[c], 2);
    });
    for (double& value : variance) value /= static_cast<double>(count);
    const double epsilon = call.attributes->real("epsilon");
    for_each_number(x, axis, [&](std::int64_t i, std::size_t c) {
      call.out(0).as<float>()[i] =
          static_cast<float>((x.as<float>()[i] - mean[c]) / std::sqrt(variance[c] + epsilon) *
                                 call.in(1).as<float>()[c] +
                             call.in(2).as<float>()[c]);
    });
    for (std::size_t c = 0; c < channels; ++c) {
      call.out(1).as<float>()[c] = static_cast<float>(mean[c]);
      call.out(2).as<float>()[c] = static_cast<float>(variance[c]);
    }
  };
  op.gradient = [](const GradientCall& call) -> std::vector<ValueId> {
    const NodeId made = call.graph.append(
        "batch_norm_train_grad", {call.in(0), call.grad(), call.in(1), call.out(1), call.out(2)},
        call.attributes());
    return call.graph.node(made).outputs;
  };
  op.flop = [](const std::vector<Shape>& inputs, const Options&) {
    return 6.0 * static_cast<double>(element_count(inputs[0]));
  };
  op.samples = [] {
    const auto make = [](const char* name, Shape shape, std::int64_t axis) {
      const std::int64_t channels = shape[static_cast<std::size_t>(axis)];
      return OpSample{name,
                      {random_tensor(std::move(shape), 1), random_tensor({channels}, 2),
                       random_tensor({channels}, 3)},
                      {{"axis", axis}},
                      {0, 1, 2},
                      2e-5};
    };
    std::vector<OpSample> all{make("planes", {2, 3, 4, 2}, 1),
                              make("channels last", {3, 5, 2, 19}, 3), make("matrix", {9, 33}, 1),
                              make("two numbers", {2, 5}, 1)};
    all.back().differentiable.clear();  // (All are 1 or -1: the slope is next to nothing.)
    // Far from zero: sums of squares would lose the variance.
    OpSample& far = all.emplace_back(make("far from zero", {40, 7, 3, 17}, 3));
    for (float& x : far.inputs[0].span<float>()) x += 300;
    far.differentiable.clear();
    far.tolerance = 1e-3;
    return all;
  };
  return op;
}

// dscale = sum dy xhat, dshift = sum dy, dx = scale / root * (dy - dshift/n - xhat dscale/n).
Op gradient_op() {
  Op op{
      {"batch_norm_train_grad", "gradients of batch_norm_train", {axis_option(), epsilon_option()}},
      5,
      5,
      {"x", "dy", "scale", "mean", "variance"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    check_types(t, "batch_norm_train_grad", 2, 3);
    if (!(t[0] == t[1])) fail_shapes("batch_norm_train_grad", "x and dy of one type", t);
    return {t[0], t[2], t[2]};
  };
  op.reference = [](const OpCall& call) {
    const Tensor &x = call.in(0), &dy = call.in(1);
    const std::int64_t axis = call.attributes->integer("axis");
    const auto count = static_cast<double>(numbers_of_channel(call));
    const double epsilon = call.attributes->real("epsilon");
    const auto channels = static_cast<std::size_t>(call.in(2).size());
    std::vector<double> dscale(channels), dshift(channels);
    const auto root = [&](std::size_t c) { return std::sqrt(call.in(4).as<float>()[c] + epsilon); };
    const auto normal = [&](std::int64_t i, std::size_t c) {
      return (x.as<float>()[i] - static_cast<double>(call.in(3).as<float>()[c])) / root(c);
    };
    for_each_number(x, axis, [&](std::int64_t i, std::size_t c) {
      dscale[c] += dy.as<float>()[i] * normal(i, c);
      dshift[c] += dy.as<float>()[i];
    });
    for_each_number(x, axis, [&](std::int64_t i, std::size_t c) {
      call.out(0).as<float>()[i] = static_cast<float>(
          call.in(2).as<float>()[c] / root(c) *
          (dy.as<float>()[i] - dshift[c] / count - normal(i, c) * dscale[c] / count));
    });
    for (std::size_t c = 0; c < channels; ++c) {
      call.out(1).as<float>()[c] = static_cast<float>(dscale[c]);
      call.out(2).as<float>()[c] = static_cast<float>(dshift[c]);
    }
  };
  op.flop = [](const std::vector<Shape>& inputs, const Options&) {
    return 10.0 * static_cast<double>(element_count(inputs[0]));
  };
  op.samples = [] {
    std::vector<OpSample> all;
    for (OpSample& sample : train_op().samples()) {
      const Shape shape = sample.inputs[0].shape();
      const std::int64_t channels = sample.inputs[1].size();
      Tensor variance = random_tensor({channels}, 6);
      for (float& value : variance.span<float>()) value = std::abs(value) + 0.1f;
      sample.inputs = {sample.inputs[0], random_tensor(shape, 5), sample.inputs[1],
                       random_tensor({channels}, 4), variance};
      sample.differentiable.clear();
      sample.tolerance = 1e-4;
      if (sample.name != "far from zero") all.push_back(std::move(sample));
    }
    return all;
  };
  return op;
}

// running += momentum (of the batch - running), of the variance n / (n - 1) of it.
Op update_op() {
  Op op{{"update_moments",
         "running means and variances of channels, after another batch",
         {axis_option(), {"momentum", OptionType::real, 0.1, "share of the new batch", 0, 1}}},
        5,
        5,
        {"x", "running_mean", "running_variance", "mean", "variance"}};
  op.in_place = {1, 2};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    check_types(t, "update_moments", 1, 4);
    return {t[1], t[2]};
  };
  op.reference = [](const OpCall& call) {
    const double share = call.attributes->real("momentum");
    const auto count = static_cast<double>(numbers_of_channel(call));
    for (std::size_t i = 0; i < 2; ++i) {
      const double factor = i == 0 ? 1 : count / (count - 1);
      float* running = call.out(i).as<float>();
      for (std::int64_t c = 0; c < call.out(i).size(); ++c)
        running[c] = static_cast<float>((1 - share) * running[c] +
                                        share * factor * call.in(3 + i).as<float>()[c]);
    }
  };
  op.samples = [] {
    return std::vector<OpSample>{
        {"plain",
         {random_tensor({5, 7}, 1), random_tensor({7}, 2), random_tensor({7}, 3),
          random_tensor({7}, 4), random_tensor({7}, 5)},
         {}}};
  };
  return op;
}

}  // namespace batch_norm_train_family
}  // namespace

std::vector<Op> op_batch_norm_train_family() {
  using namespace batch_norm_train_family;
  return {train_op(), gradient_op(), update_op()};
}

}  // namespace hone
