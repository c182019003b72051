#include "hone/numerics/detail/grid_kernels.hpp"

#include <algorithm>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/numerics/detail/grid_kernels.cpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include "hone/numerics/detail/grid-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// From this many numbers on, results that nothing reads soon go past the caches.
constexpr std::int64_t stream_from = std::int64_t{1} << 20;

bool can_stream(const float* x, const float* y, std::int64_t n) {
  return n >= stream_from && x != y;
}

// map_vectors that stores past the caches.
template <typename F>
HWY_INLINE void stream_vectors(const float* x, float* y, std::int64_t n, const F& f) {
  const F32 d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto misaligned =
      static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(y) / sizeof(float) % hn::Lanes(d));
  const std::int64_t head = misaligned == 0 ? 0 : lanes - misaligned;
  map_vectors(x, y, head, f);
  const std::int64_t whole = (n - head) / lanes * lanes;
  for (std::int64_t i = head; i < head + whole; i += lanes)
    hn::Stream(f(hn::LoadU(d, x + i)), d, y + i);
  map_vectors(x + head + whole, y + head + whole, n - head - whole, f);
  hwy::FlushStream();
}

template <typename Grid>
void quantize_values_of(const Grid& grid, const float* x, float* y, std::int64_t n, float inverse,
                        float scale) {
  with_vector(grid, [&](const auto& round) {
    const VecF in = hn::Set(F32(), inverse);
    const VecF out = hn::Set(F32(), scale);
    if (inverse != 1.0f || scale != 1.0f)
      map_vectors(x, y, n, [&](VecF v) { return hn::Mul(round(hn::Mul(v, in)), out); });
    else if (can_stream(x, y, n))
      stream_vectors(x, y, n, round);
    else
      map_vectors(x, y, n, round);
  });
}

std::uint32_t run_largest_magnitude(const float* x, std::int64_t n) {
  return largest_magnitude(x, n);
}

// Blocks of `vectors` whole vectors end to end; each is read once.
template <int vectors, bool stream, typename Vector>
HWY_INLINE void quantize_runs(const Vector& round, const ScaleVector& scale, const float* x,
                              float* y, std::int64_t blocks) {
  const F32 d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t b = 0; b < blocks; ++b) {
    VecF values[vectors];
    VecU largest = hn::Zero(U32());
    for (int v = 0; v < vectors; ++v) {
      values[v] = hn::LoadU(d, x + v * lanes);
      largest = hn::Max(largest, finite_magnitude(values[v]));
    }
    VecF inverse, factor;
    scale.factors(hn::MaxOfLanes(U32(), largest), inverse, factor);
    for (int v = 0; v < vectors; ++v) {
      const VecF y_v = hn::Mul(round(hn::Mul(values[v], inverse)), factor);
      if (stream)
        hn::Stream(y_v, d, y + v * lanes);
      else
        hn::StoreU(y_v, d, y + v * lanes);
    }
    x += vectors * lanes;
    y += vectors * lanes;
  }
  if (stream) hwy::FlushStream();
}

// Whether it was done: blocks of one, two or four whole vectors.
template <typename Vector>
HWY_INLINE bool quantize_whole_runs(const Vector& round, const ScaleVector& scale, const float* x,
                                    float* y, std::int64_t width, std::int64_t blocks) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(F32()));
  const bool stream = can_stream(x, y, width * blocks) &&
                      reinterpret_cast<std::uintptr_t>(y) % (hn::Lanes(F32()) * sizeof(float)) == 0;
  const auto run = [&](auto vectors) {
    if (width != lanes * decltype(vectors)::value) return false;
    if (stream)
      quantize_runs<decltype(vectors)::value, true>(round, scale, x, y, blocks);
    else
      quantize_runs<decltype(vectors)::value, false>(round, scale, x, y, blocks);
    return true;
  };
  return run(std::integral_constant<int, 1>()) || run(std::integral_constant<int, 2>()) ||
         run(std::integral_constant<int, 4>());
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
                    float inverse, float scale) {
  quantize_values_of(grid, x, y, n, inverse, scale);
}
void values_float(const FloatGrid& grid, const float* x, float* y, std::int64_t n, float inverse,
                  float scale) {
  quantize_values_of(grid, x, y, n, inverse, scale);
}
void values_power(const PowerGrid& grid, const float* x, float* y, std::int64_t n, float inverse,
                  float scale) {
  quantize_values_of(grid, x, y, n, inverse, scale);
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
