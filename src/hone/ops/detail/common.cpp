#include "hone/ops/detail/common.hpp"

namespace hone {

Tensor random_tensor(Shape shape, std::uint32_t seed, double scale) {
  Tensor tensor(DType::f32, std::move(shape));
  RandomStream stream(seed, 0x5a);
  for (float& value : tensor.span<float>()) value = static_cast<float>(stream.normal() * scale);
  return tensor;
}

Tensor int_tensor(Shape shape, std::initializer_list<std::int32_t> values) {
  return Tensor::from<std::int32_t>(DType::i32, std::move(shape),
                                    std::span(values.begin(), values.size()));
}

Tensor f32_tensor(Shape shape, std::initializer_list<double> values) {
  Tensor tensor(DType::f32, std::move(shape));
  std::size_t i = 0;
  for (double value : values) tensor.as<float>()[i++] = static_cast<float>(value);
  return tensor;
}

Tensor rng_tensor(std::uint64_t seed, std::uint32_t step) {
  Tensor tensor(DType::u32, {3});
  tensor.as<std::uint32_t>()[0] = static_cast<std::uint32_t>(seed);
  tensor.as<std::uint32_t>()[1] = static_cast<std::uint32_t>(seed >> 32);
  tensor.as<std::uint32_t>()[2] = step;
  return tensor;
}

std::vector<OpSample> elementwise_samples(int inputs, const Options& attributes, double scale) {
  std::vector<OpSample> samples;
  std::vector<int> all;
  for (int i = 0; i < inputs; ++i) all.push_back(i);
  const auto add = [&](const std::string& name, Shape shape, double sample_scale,
                       bool differentiable) {
    OpSample sample{name, {}, attributes, {}};
    for (int i = 0; i < inputs; ++i)
      sample.inputs.push_back(
          random_tensor(shape, 100 + static_cast<std::uint32_t>(i), sample_scale));
    if (differentiable) sample.differentiable = all;
    samples.push_back(std::move(sample));
  };
  add("one row", {1, 5}, scale, true);
  add("odd", {7, 19}, scale, true);
  add("no rows", {0, 8}, scale, false);
  add("large values", {3, 33}, 20.0 * scale, false);
  add("wide", {65, 128}, scale, false);
  return samples;
}

}  // namespace hone
