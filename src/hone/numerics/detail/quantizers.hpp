// The ways a grid is laid over a tensor: number by number, by blocks with a power of two each, and
// by channels or groups with a real scale each. A format's file chooses grid and way from its
// options.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/numerics/detail/bit_stream.hpp"
#include "hone/numerics/detail/grid_codes.hpp"
#include "hone/numerics/detail/grid_kernels.hpp"
#include "hone/numerics/format.hpp"

namespace hone {

// A tensor as rows of its last dimension: a vector is one row.
struct MatrixView {
  std::int64_t rows = 1;
  std::int64_t columns = 1;
};
MatrixView matrix_view(const Shape& shape);
// The same of what was read from a file: throws Error(bad_format) for sizes that cannot be.
MatrixView packed_view(const PackedTensor& packed);

// Throws Error(numeric) naming the place of the first NaN.
void refuse_nan(const Tensor& x);
Tensor code_tensor(const std::vector<std::byte>& codes);
// Throws Error(bad_format) unless the packed tensor has its codes and `scales` scales of that type.
void check_packed(const PackedTensor& packed, int code_bits, std::int64_t scales, DType scale_type);
// Throws Error(bad_format) naming the first code that stands for no number of the format.
void check_codes(const PackedTensor& packed,
                 const std::function<bool(std::uint32_t code)>& is_number);

// Whether a code is one of the grid's, not one beyond its ends.
template <typename Grid>
bool is_number(const Grid& grid, std::uint32_t code, int bits) {
  const float value = decode(grid, code, bits);
  return grid.value(value) == value;
}

// The non-negative numbers of a grid, ascending.
template <typename Grid>
std::vector<float> grid_values(const Grid& grid, int bits, std::size_t limit) {
  std::vector<float> values;
  if (bits > 24 || (std::size_t{1} << (bits - 1)) > limit) return values;
  for (std::uint32_t code = 0; code < (1u << bits); ++code) {
    const float value = decode(grid, code, bits);
    if (!std::signbit(value) && grid.value(value) == value) values.push_back(value);
  }
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

// Throws Error(invalid_argument) unless blocks divide the matrix.
void refuse_shorter_blocks(std::int64_t rows, std::int64_t columns, BlockShape block);

// Signed codes of 2 to 8 bits, or unsigned ones, as bytes; codes [first, first + n).
void unpack_bytes(const PackedTensor& packed, bool is_signed, std::int64_t first, std::int64_t n,
                  std::int8_t* codes);
// Whether the grid's codes fit a byte.
constexpr bool has_byte_codes(const UniformGrid& grid) {
  return grid.high - grid.low <= 255.0f && grid.low >= -128.0f && grid.high <= 255.0f;
}

// Every number by itself.
template <typename Grid>
class ElementQuantizer : public Quantizer {
public:
  ElementQuantizer(Grid grid, int bits) : grid_(grid), bits_(bits) {}

  using Quantizer::quantize;
  void quantize(const float* x, float* y, std::int64_t rows, std::int64_t columns) const override {
    const bool stream = stores_past_caches(x, y, rows * columns);
    quantize_values(grid_, x, y, rows * columns, stream ? Stores::past_caches : Stores::cached);
    if (stream) finish_stream();
  }
  PackedTensor pack(const Tensor& x) const override {
    refuse_nan(x);
    PackedTensor packed{x.shape(), bits_, {}, {}};
    BitWriter writer(x.size(), bits_);
    for (const float value : x.span<float>()) writer.put(encode(grid_, grid_.value(value), bits_));
    packed.codes = code_tensor(writer.finish());
    return packed;
  }
  Tensor unpack(const PackedTensor& packed) const override {
    check(packed);
    Tensor y(DType::f32, packed.shape);
    const MatrixView view = matrix_view(packed.shape);
    unpack_rows(packed, 0, view.rows, y.as<float>());
    return y;
  }
  void unpack_rows(const PackedTensor& packed, std::int64_t first, std::int64_t rows,
                   float* y) const override {
    const std::int64_t columns = matrix_view(packed.shape).columns;
    if (rows * columns == 0) return;
    BitReader reader(packed.codes.as<std::byte>(), bits_, first * columns);
    for (std::int64_t i = 0; i < rows * columns; ++i) y[i] = decode(grid_, reader.get(), bits_);
  }
  void check(const PackedTensor& packed) const override {
    packed_view(packed);
    check_packed(packed, bits_, 0, DType::f32);
    check_codes(packed, [this](std::uint32_t code) { return is_number(grid_, code, bits_); });
  }
  bool by_elements() const override { return true; }
  double bits_per_value(const Shape&) const override { return bits_; }
  std::vector<float> values(std::size_t limit) const override {
    return grid_values(grid_, bits_, limit);
  }

  std::optional<Int8Layout> int8_layout(std::int64_t) const override {
    if constexpr (std::is_same_v<Grid, UniformGrid>)
      if (has_byte_codes(grid_))
        return Int8Layout{0,
                          grid_.high > 127.0f,
                          true,
                          grid_.step,
                          0,
                          static_cast<std::int32_t>(grid_.low),
                          static_cast<std::int32_t>(grid_.high)};
    return std::nullopt;
  }
  void encode_int8(const float* x, std::int64_t rows, std::int64_t columns, std::int8_t* codes,
                   std::int64_t stride, float* scales, std::int32_t* zeros) const override {
    if constexpr (std::is_same_v<Grid, UniformGrid>) {
      // Rows without gaps are one.
      const std::int64_t at_once = stride == columns ? rows : 1;
      for (std::int64_t r = 0; r < rows; r += at_once)
        encode_values(grid_, 0.0f, x + r * columns, codes + r * stride, at_once * columns);
      fill_scales(rows, scales, zeros);
    }
  }
  void unpack_int8(const PackedTensor& packed, std::int64_t first, std::int64_t rows,
                   std::int8_t* codes, std::int64_t stride, float* scales,
                   std::int32_t* zeros) const override {
    if constexpr (std::is_same_v<Grid, UniformGrid>) {
      const std::int64_t columns = matrix_view(packed.shape).columns;
      for (std::int64_t r = 0; r < rows; ++r)
        unpack_bytes(packed, grid_.low < 0, (first + r) * columns, columns, codes + r * stride);
      fill_scales(rows, scales, zeros);
    }
  }
  const Grid& grid() const { return grid_; }

private:
  void fill_scales(std::int64_t rows, float* scales, std::int32_t* zeros) const {
    if constexpr (std::is_same_v<Grid, UniformGrid>)
      if (scales != nullptr) std::fill_n(scales, rows, grid_.step);
    if (zeros != nullptr) std::fill_n(zeros, rows, 0);
  }

  Grid grid_;
  int bits_;
};

// Blocks of a row (or boxes of a matrix) share a power of two, kept in `scale_bits` bits.
template <typename Grid>
class BlockQuantizer : public Quantizer {
public:
  // `whole_blocks`: tensors that blocks do not divide are refused.
  BlockQuantizer(Grid grid, int bits, BlockScale scale, int scale_bits, BlockShape block,
                 bool whole_blocks)
      : grid_(grid),
        bits_(bits),
        scale_(scale),
        scale_bits_(scale_bits),
        block_(block),
        whole_blocks_(whole_blocks) {}

  using Quantizer::quantize;
  void quantize(const float* x, float* y, std::int64_t rows, std::int64_t columns) const override {
    if (whole_blocks_) refuse_shorter_blocks(rows, columns, block_);
    quantize_blocks(grid_, scale_, shape_in(columns), x, y, rows, columns, nullptr);
  }
  bool by_rows(std::int64_t) const override { return block_.rows == 1; }

  PackedTensor pack(const Tensor& x) const override {
    refuse_nan(x);
    const MatrixView view = matrix_view(x.shape());
    if (whole_blocks_) refuse_shorter_blocks(view.rows, view.columns, block_);
    const BlockShape block = shape_in(view.columns);
    std::vector<std::int16_t> exponents(static_cast<std::size_t>(block_count(view)));
    Tensor y(DType::f32, x.shape());
    quantize_blocks(grid_, scale_, block, x.as<float>(), y.as<float>(), view.rows, view.columns,
                    exponents.data());
    PackedTensor packed{x.shape(), bits_, {}, Tensor(DType::u8, {block_count(view)})};
    for (std::size_t b = 0; b < exponents.size(); ++b)
      packed.scales.as<std::uint8_t>()[b] = static_cast<std::uint8_t>(exponents[b] + 127);
    BitWriter writer(x.size(), bits_);
    visit(view, [&](std::int64_t i, std::int64_t b) {
      const int e = exponents[static_cast<std::size_t>(b)];
      const float scaled = y.as<float>()[i] * power_of_two(-e);
      writer.put(encode(grid_, scaled, bits_));
    });
    packed.codes = code_tensor(writer.finish());
    return packed;
  }

  Tensor unpack(const PackedTensor& packed) const override {
    check(packed);
    const MatrixView view = matrix_view(packed.shape);
    Tensor y(DType::f32, packed.shape);
    unpack_rows(packed, 0, view.rows, y.as<float>());
    return y;
  }
  void unpack_rows(const PackedTensor& packed, std::int64_t first, std::int64_t rows,
                   float* y) const override {
    const MatrixView view = matrix_view(packed.shape);
    if (rows * view.columns == 0) return;
    const BlockShape block = shape_in(view.columns);
    const auto* exponents = packed.scales.as<std::uint8_t>();
    BitReader reader(packed.codes.as<std::byte>(), bits_, first * view.columns);
    for (std::int64_t r = first; r < first + rows; ++r) {
      const std::uint8_t* row = exponents + r / block.rows * across(view);
      for (std::int64_t c = 0; c < view.columns; ++c)
        *y++ = decode(grid_, reader.get(), bits_) * power_of_two(row[c / block.columns] - 127);
    }
  }
  void check(const PackedTensor& packed) const override {
    const MatrixView view = packed_view(packed);
    check_packed(packed, bits_, block_count(view), DType::u8);
    const auto* exponents = packed.scales.as<std::uint8_t>();
    for (std::int64_t b = 0; b < block_count(view); ++b)
      if (exponents[b] - 127 < scale_.minimum || exponents[b] - 127 > scale_.maximum)
        throw Error(ErrorCode::bad_format,
                    fmt::format("block {}: its exponent {} is outside [{}, {}]", b,
                                exponents[b] - 127, scale_.minimum, scale_.maximum));
    check_codes(packed, [this](std::uint32_t code) { return is_number(grid_, code, bits_); });
  }

  double bits_per_value(const Shape& shape) const override {
    const MatrixView view = matrix_view(shape);
    const double count = static_cast<double>(view.rows * view.columns);
    return count == 0 ? bits_
                      : bits_ + static_cast<double>(block_count(view)) * scale_bits_ / count;
  }
  std::vector<float> values(std::size_t limit) const override {
    return grid_values(grid_, bits_, limit);
  }

  std::optional<Int8Layout> int8_layout(std::int64_t columns) const override {
    if constexpr (std::is_same_v<Grid, UniformGrid>)
      if (has_byte_codes(grid_) && block_.rows == 1)
        return Int8Layout{block_.columns < columns ? block_.columns : 0,
                          false,
                          false,
                          0,
                          0,
                          static_cast<std::int32_t>(grid_.low),
                          static_cast<std::int32_t>(grid_.high)};
    return std::nullopt;
  }
  void encode_int8(const float* x, std::int64_t rows, std::int64_t columns, std::int8_t* codes,
                   std::int64_t stride, float* scales, std::int32_t* zeros) const override {
    if constexpr (std::is_same_v<Grid, UniformGrid>) {
      if (whole_blocks_) refuse_shorter_blocks(rows, columns, block_);
      const std::int64_t blocks = across({rows, columns});
      for (std::int64_t r = 0; r < rows; ++r)
        encode_blocks(grid_, scale_, shape_in(columns).columns, x + r * columns, codes + r * stride,
                      scales + r * blocks, columns);
      if (zeros != nullptr) std::fill_n(zeros, rows, 0);
    }
  }
  void unpack_int8(const PackedTensor& packed, std::int64_t first, std::int64_t rows,
                   std::int8_t* codes, std::int64_t stride, float* scales,
                   std::int32_t* zeros) const override {
    if constexpr (std::is_same_v<Grid, UniformGrid>) {
      const MatrixView view = matrix_view(packed.shape);
      for (std::int64_t r = 0; r < rows; ++r)
        unpack_bytes(packed, true, (first + r) * view.columns, view.columns, codes + r * stride);
      const std::int64_t blocks = across(view);
      const std::uint8_t* exponents = packed.scales.as<std::uint8_t>() + first * blocks;
      for (std::int64_t b = 0; b < rows * blocks; ++b)
        scales[b] = power_of_two(exponents[b] - 127) * grid_.step;
      if (zeros != nullptr) std::fill_n(zeros, rows, 0);
    }
  }

private:
  // A block larger than its axis is the whole axis.
  BlockShape shape_in(std::int64_t columns) const {
    return {block_.rows, std::max<std::int64_t>(1, std::min(block_.columns, columns))};
  }
  std::int64_t across(const MatrixView& view) const {
    const BlockShape block = shape_in(view.columns);
    return (view.columns + block.columns - 1) / block.columns;
  }
  std::int64_t block_count(const MatrixView& view) const {
    return across(view) * ((view.rows + block_.rows - 1) / block_.rows);
  }
  // Calls body(element, block) in the order of the elements.
  template <typename Body>
  void visit(const MatrixView& view, const Body& body) const {
    const BlockShape block = shape_in(view.columns);
    for (std::int64_t r = 0; r < view.rows; ++r)
      for (std::int64_t c = 0; c < view.columns; ++c)
        body(r * view.columns + c, r / block.rows * across(view) + c / block.columns);
  }

  Grid grid_;
  int bits_;
  BlockScale scale_;
  int scale_bits_;
  BlockShape block_;
  bool whole_blocks_;
};

}  // namespace hone
