#include "hone/numerics/detail/grid_kernels.hpp"

#include <algorithm>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/numerics/detail/grid_kernels.cpp"
#include <hwy/cache_control.h>
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/numerics/detail/grid-inl.hpp"
#include "hone/numerics/detail/stream-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

template <typename Grid>
void quantize_values_of(const Grid& grid, const float* x, float* y, std::int64_t n, Stores stores) {
  with_vector(grid, [&](const auto& round) { map_numbers(x, y, n, stores, round); });
}

std::uint32_t run_largest_magnitude(const float* x, std::int64_t n) {
  return largest_magnitude(x, n);
}

// Blocks of whole vectors end to end.
template <bool stream, int vectors, typename Vector>
HWY_INLINE void quantize_runs(const Vector& round, const ScaleVector& scale, const float* x,
                              float* y, std::int64_t blocks) {
  const F32 d;
  for_block_factors<vectors>(
      scale, x, blocks, [&](std::int64_t first, VecF inverse, VecF factor) HONE_INLINE_BODY {
        for (int v = 0; v < vectors; ++v) {
          const std::int64_t i = first + v * static_cast<std::int64_t>(hn::Lanes(d));
          const VecF value = hn::Mul(round(hn::Mul(hn::LoadU(d, x + i), inverse)), factor);
          if (stream)
            hn::Stream(value, d, y + i);
          else
            hn::StoreU(value, d, y + i);
        }
      });
  if (stream) hwy::FlushStream();
}

// Whether it was done.
template <typename Vector>
HWY_INLINE bool quantize_whole_runs(const Vector& round, const ScaleVector& scale, const float* x,
                                    float* y, std::int64_t width, std::int64_t blocks) {
  const bool stream = stores_past_caches(x, y, width * blocks) &&
                      reinterpret_cast<std::uintptr_t>(y) % (hn::Lanes(F32()) * sizeof(float)) == 0;
  return with_vector_count(width, [&](auto vectors) {
    if (stream)
      quantize_runs<true, decltype(vectors)::value>(round, scale, x, y, blocks);
    else
      quantize_runs<false, decltype(vectors)::value>(round, scale, x, y, blocks);
  });
}

template <typename Grid>
void quantize_blocks_of(const Grid& grid, const BlockScale& scale, BlockShape block, const float* x,
                        float* y, std::int64_t rows, std::int64_t columns,
                        std::int16_t* exponents) {
  if (rows == 0 || columns == 0) return;
  with_vector(grid, [&](const auto& round) {
    if (exponents == nullptr && block.rows == 1 && columns % block.columns == 0 &&
        quantize_whole_runs(round, ScaleVector(scale), x, y, block.columns,
                            rows * columns / block.columns))
      return;
    for (std::int64_t top = 0; top < rows; top += block.rows) {
      const std::int64_t bottom = std::min(rows, top + block.rows);
      for (std::int64_t left = 0; left < columns; left += block.columns) {
        const std::int64_t width = std::min(block.columns, columns - left);
        std::uint32_t largest = 0;
        for (std::int64_t r = top; r < bottom; ++r)
          largest = std::max(largest, largest_magnitude(x + r * columns + left, width));
        const int e = scale.exponent(largest);
        if (exponents != nullptr) *exponents++ = static_cast<std::int16_t>(e);
        const VecF inverse = hn::Set(F32(), power_of_two(-e));
        const VecF factor = hn::Set(F32(), power_of_two(e));
        for (std::int64_t r = top; r < bottom; ++r)
          map_vectors(x + r * columns + left, y + r * columns + left, width,
                      [&](VecF v) { return hn::Mul(round(hn::Mul(v, inverse)), factor); });
      }
    }
  });
}

void values_uniform(const UniformGrid& grid, const float* x, float* y, std::int64_t n,
                    Stores stores) {
  quantize_values_of(grid, x, y, n, stores);
}
void values_float(const FloatGrid& grid, const float* x, float* y, std::int64_t n, Stores stores) {
  quantize_values_of(grid, x, y, n, stores);
}
void values_power(const PowerGrid& grid, const float* x, float* y, std::int64_t n, Stores stores) {
  quantize_values_of(grid, x, y, n, stores);
}
void blocks_uniform(const UniformGrid& grid, const BlockScale& scale, BlockShape block,
                    const float* x, float* y, std::int64_t rows, std::int64_t columns,
                    std::int16_t* exponents) {
  quantize_blocks_of(grid, scale, block, x, y, rows, columns, exponents);
}
void blocks_float(const FloatGrid& grid, const BlockScale& scale, BlockShape block, const float* x,
                  float* y, std::int64_t rows, std::int64_t columns, std::int16_t* exponents) {
  quantize_blocks_of(grid, scale, block, x, y, rows, columns, exponents);
}
void blocks_power(const PowerGrid& grid, const BlockScale& scale, BlockShape block, const float* x,
                  float* y, std::int64_t rows, std::int64_t columns, std::int16_t* exponents) {
  quantize_blocks_of(grid, scale, block, x, y, rows, columns, exponents);
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

bool stores_past_caches(const float* x, const float* y, std::int64_t n) {
  return n >= std::int64_t{1} << 20 && x != y;
}
void finish_stream() { hwy::FlushStream(); }

int BlockScale::exponent(std::uint32_t magnitude_bits) const {
  // float32's own subnormal numbers lie below every `minimum`.
  const std::uint32_t bits = std::min(magnitude_bits, 0x7F7FFFFFu);
  const std::uint32_t carried = bits < 0x00800000u ? bits : bits + carry;
  return std::clamp(static_cast<int>(carried >> 23) - 127 + offset, minimum, maximum);
}

void quantize_values(const UniformGrid& grid, const float* x, float* y, std::int64_t n,
                     Stores stores) {
  HWY_DYNAMIC_DISPATCH(values_uniform)(grid, x, y, n, stores);
}
void quantize_values(const FloatGrid& grid, const float* x, float* y, std::int64_t n,
                     Stores stores) {
  HWY_DYNAMIC_DISPATCH(values_float)(grid, x, y, n, stores);
}
void quantize_values(const PowerGrid& grid, const float* x, float* y, std::int64_t n,
                     Stores stores) {
  HWY_DYNAMIC_DISPATCH(values_power)(grid, x, y, n, stores);
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
