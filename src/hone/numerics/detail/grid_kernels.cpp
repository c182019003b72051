#include "hone/numerics/detail/grid_kernels.hpp"

#include <algorithm>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/numerics/detail/grid_kernels.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include "hone/numerics/detail/grid-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

template <typename Vector>
HWY_INLINE void map_scaled(const Vector& round, const float* x, float* y, std::int64_t n,
                           float inverse, float scale) {
  const VecF in = hn::Set(F32(), inverse);
  const VecF out = hn::Set(F32(), scale);
  map_vectors(x, y, n, [&](VecF v) { return hn::Mul(round(hn::Mul(v, in)), out); });
}

template <typename Vector, typename Grid>
void quantize_values_of(const Grid& grid, const float* x, float* y, std::int64_t n, float inverse,
                        float scale) {
  const Vector round(grid);
  if (inverse == 1.0f && scale == 1.0f) {
    map_vectors(x, y, n, [&](VecF v) { return round(v); });
  } else {
    map_scaled(round, x, y, n, inverse, scale);
  }
}

std::uint32_t run_largest_magnitude(const float* x, std::int64_t n) {
  return largest_magnitude(x, n);
}

template <typename Vector, typename Grid>
void quantize_blocks_of(const Grid& grid, const BlockScale& scale, BlockShape block, const float* x,
                        float* y, std::int64_t rows, std::int64_t columns,
                        std::int16_t* exponents) {
  const Vector round(grid);
  const std::int64_t across = block.columns > 0 ? (columns + block.columns - 1) / block.columns : 0;
  for (std::int64_t top = 0; top < rows; top += block.rows) {
    const std::int64_t bottom = std::min(rows, top + block.rows);
    for (std::int64_t b = 0; b < across; ++b) {
      const std::int64_t left = b * block.columns;
      const std::int64_t width = std::min(block.columns, columns - left);
      std::uint32_t largest = 0;
      for (std::int64_t r = top; r < bottom; ++r)
        largest = std::max(largest, largest_magnitude(x + r * columns + left, width));
      const int e = scale.exponent(largest);
      if (exponents != nullptr) *exponents++ = static_cast<std::int16_t>(e);
      const float inverse = power_of_two(-e);
      const float factor = power_of_two(e);
      for (std::int64_t r = top; r < bottom; ++r)
        map_scaled(round, x + r * columns + left, y + r * columns + left, width, inverse, factor);
    }
  }
}

void values_uniform(const UniformGrid& grid, const float* x, float* y, std::int64_t n,
                    float inverse, float scale) {
  quantize_values_of<UniformVector>(grid, x, y, n, inverse, scale);
}
void values_float(const FloatGrid& grid, const float* x, float* y, std::int64_t n, float inverse,
                  float scale) {
  quantize_values_of<FloatVector>(grid, x, y, n, inverse, scale);
}
void values_power(const PowerGrid& grid, const float* x, float* y, std::int64_t n, float inverse,
                  float scale) {
  quantize_values_of<PowerVector>(grid, x, y, n, inverse, scale);
}
void blocks_uniform(const UniformGrid& grid, const BlockScale& scale, BlockShape block,
                    const float* x, float* y, std::int64_t rows, std::int64_t columns,
                    std::int16_t* exponents) {
  quantize_blocks_of<UniformVector>(grid, scale, block, x, y, rows, columns, exponents);
}
void blocks_float(const FloatGrid& grid, const BlockScale& scale, BlockShape block, const float* x,
                  float* y, std::int64_t rows, std::int64_t columns, std::int16_t* exponents) {
  quantize_blocks_of<FloatVector>(grid, scale, block, x, y, rows, columns, exponents);
}
void blocks_power(const PowerGrid& grid, const BlockScale& scale, BlockShape block, const float* x,
                  float* y, std::int64_t rows, std::int64_t columns, std::int16_t* exponents) {
  quantize_blocks_of<PowerVector>(grid, scale, block, x, y, rows, columns, exponents);
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(values_uniform);
HWY_EXPORT(values_float);
HWY_EXPORT(values_power);
HWY_EXPORT(blocks_uniform);
HWY_EXPORT(blocks_float);
HWY_EXPORT(blocks_power);
HWY_EXPORT(run_largest_magnitude);

int BlockScale::exponent(std::uint32_t magnitude_bits) const {
  // float32's own subnormal numbers lie below every `minimum`.
  const std::uint32_t bits = std::min(magnitude_bits, 0x7F7FFFFFu);
  const std::uint32_t carried = bits < 0x00800000u ? bits : bits + carry;
  return std::clamp(static_cast<int>(carried >> 23) - 127 + offset, minimum, maximum);
}

void quantize_values(const UniformGrid& grid, const float* x, float* y, std::int64_t n,
                     float inverse, float scale) {
  HWY_DYNAMIC_DISPATCH(values_uniform)(grid, x, y, n, inverse, scale);
}
void quantize_values(const FloatGrid& grid, const float* x, float* y, std::int64_t n, float inverse,
                     float scale) {
  HWY_DYNAMIC_DISPATCH(values_float)(grid, x, y, n, inverse, scale);
}
void quantize_values(const PowerGrid& grid, const float* x, float* y, std::int64_t n, float inverse,
                     float scale) {
  HWY_DYNAMIC_DISPATCH(values_power)(grid, x, y, n, inverse, scale);
}
void quantize_blocks(const UniformGrid& grid, const BlockScale& scale, BlockShape block,
                     const float* x, float* y, std::int64_t rows, std::int64_t columns,
                     std::int16_t* exponents) {
  HWY_DYNAMIC_DISPATCH(blocks_uniform)(grid, scale, block, x, y, rows, columns, exponents);
}
void quantize_blocks(const FloatGrid& grid, const BlockScale& scale, BlockShape block,
                     const float* x, float* y, std::int64_t rows, std::int64_t columns,
                     std::int16_t* exponents) {
  HWY_DYNAMIC_DISPATCH(blocks_float)(grid, scale, block, x, y, rows, columns, exponents);
}
void quantize_blocks(const PowerGrid& grid, const BlockScale& scale, BlockShape block,
                     const float* x, float* y, std::int64_t rows, std::int64_t columns,
                     std::int16_t* exponents) {
  HWY_DYNAMIC_DISPATCH(blocks_power)(grid, scale, block, x, y, rows, columns, exponents);
}
std::uint32_t largest_magnitude_bits(const float* x, std::int64_t n) {
  return HWY_DYNAMIC_DISPATCH(run_largest_magnitude)(x, n);
}

}  // namespace hone
#endif
