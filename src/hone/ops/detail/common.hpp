// What the files of ops/ share: shape checks, sample tensors, the dropout mask.
#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "hone/core/philox.hpp"
#include "hone/graph/op.hpp"

namespace hone {

inline bool is_matrix(const ValueType& type) {
  return type.dtype == DType::f32 && type.dims.size() == 2;
}
inline bool is_vector(const ValueType& type, DType dtype = DType::f32) {
  return type.dtype == dtype && type.dims.size() == 1;
}
// Elements of one row: everything but dimension 0.
inline std::int64_t row_size(const Tensor& tensor) {
  std::int64_t size = 1;
  for (std::size_t i = 1; i < tensor.shape().size(); ++i) size *= tensor.shape()[i];
  return size;
}
inline std::int64_t row_count(const Tensor& tensor) {
  return tensor.shape().empty() ? 1 : tensor.shape()[0];
}

// Normal values times `scale`, from a seed.
Tensor random_tensor(Shape shape, std::uint32_t seed, double scale = 1.0);
// Given values, converted.
Tensor int_tensor(Shape shape, std::initializer_list<std::int32_t> values);
Tensor f32_tensor(Shape shape, std::initializer_list<double> values);
// The state of the random numbers of a step: seed and step, as graphs pass it (u32[3]).
Tensor rng_tensor(std::uint64_t seed, std::uint32_t step);

// The row of an embedding table that gets no gradient (torch.nn.Embedding's padding_idx).
inline OptionSpec padding_option() {
  return {
      "padding", OptionType::integer, std::int64_t{-1}, "row that gets no gradient; -1: none", -1,
      1e12};
}

// Of an optimizer's update: for parameters that must not become zero, as steps of quantizers.
inline OptionSpec keep_sign_option() {
  return {"keep_sign", OptionType::boolean, false,
          "an update leaves an element its sign and at least half of its magnitude"};
}
template <typename Float>
Float keep_sign(Float before, Float after) {
  const Float half = before / 2;
  if (before > 0) return after < half ? half : after;  // NaN passes
  return after > half ? half : after;
}

// Samples of an elementwise op with `inputs` equal-shaped inputs: none, one, odd and large rows.
std::vector<OpSample> elementwise_samples(int inputs, const Options& attributes = {},
                                          double scale = 2.0);

// Dropout: an element is dropped when its 16 random bits are below this.
inline std::uint32_t dropout_threshold(double p) {
  return static_cast<std::uint32_t>(std::lround(p * 65536.0));
}
// What kept elements are multiplied by, so that the mean stays.
inline float dropout_scale(std::uint32_t threshold) {
  return static_cast<float>(65536.0 / (65536.0 - static_cast<double>(threshold)));
}
// One Philox block serves eight columns that lie sixteen apart, so that a vector of consecutive
// columns takes the same half word of consecutive counters, whatever the vector's width: column
// c = 128 * block + 64 * half + 16 * word + lane comes from counter 16 * block + lane.
inline bool dropout_keeps(const std::uint32_t* rng, std::uint32_t stream, std::uint32_t row,
                          std::uint32_t column, std::uint32_t threshold) {
  const std::uint32_t counter = column / 128 * 16 + column % 16;
  const PhiloxBlock block =
      philox({counter, row, stream, rng[2]}, {rng[0], rng[1]}, philox_mask_rounds);
  const std::uint32_t word = block[column / 16 % 4];
  return (column / 64 % 2 == 0 ? word & 0xffffu : word >> 16) >= threshold;
}

}  // namespace hone
