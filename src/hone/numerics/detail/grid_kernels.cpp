#include "hone/numerics/detail/grid_kernels.hpp"

#include <algorithm>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/numerics/detail/grid_kernels.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include "hone/core/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// Each grid's constants, spread over vectors once, and its rounding.
struct UniformVector {
  VecF inverse, step, low, high;
  bool floor;

  explicit UniformVector(const UniformGrid& g)
      : inverse(hn::Set(F32(), g.inverse)),
        step(hn::Set(F32(), g.step)),
        low(hn::Set(F32(), g.low)),
        high(hn::Set(F32(), g.high)),
        floor(g.rounding == Rounding::floor) {}
  HWY_INLINE VecF operator()(VecF x) const {
    const VecF scaled = hn::Mul(x, inverse);
    VecF k = floor ? hn::Floor(scaled) : hn::Round(scaled);
    k = hn::IfThenElse(hn::Lt(k, low), low, k);
    k = hn::IfThenElse(hn::Gt(k, high), high, k);
    return hn::Mul(hn::Add(k, hn::Zero(F32())), step);
  }
};

struct FloatVector {
  VecF smallest_normal, magic, maximum;
  VecU odd_mask, half, keep;
  int drop;

  explicit FloatVector(const FloatGrid& g)
      : smallest_normal(hn::Set(F32(), power_of_two(g.minimum_exponent))),
        magic(hn::Set(F32(), g.subnormal_magic())),
        maximum(hn::Set(F32(), g.maximum)),
        odd_mask(hn::Set(U32(), g.dropped_bits() > 0 ? 1u : 0u)),
        half(hn::Set(U32(), g.dropped_bits() > 0 ? (1u << (g.dropped_bits() - 1)) - 1u : 0u)),
        keep(hn::Set(U32(), ~((1u << g.dropped_bits()) - 1u))),
        drop(g.dropped_bits()) {}
  HWY_INLINE VecF operator()(VecF x) const {
    const F32 d;
    const U32 u;
    const VecF magnitude = hn::Abs(x);
    const VecU bits = hn::BitCast(u, magnitude);
    const VecU odd = hn::And(hn::ShiftRightSame(bits, drop), odd_mask);
    const VecF normal = hn::BitCast(d, hn::And(hn::Add(hn::Add(bits, odd), half), keep));
    const VecF subnormal = hn::Sub(hn::Add(magnitude, magic), magic);
    VecF result = hn::IfThenElse(hn::Lt(magnitude, smallest_normal), subnormal, normal);
    result = hn::IfThenElse(hn::Lt(result, maximum), result, maximum);
    return hn::IfThenElse(hn::Eq(x, x), hn::CopySignToAbs(result, x), x);
  }
};

struct PowerVector {
  VecF zero_below;
  VecU low, high;

  explicit PowerVector(const PowerGrid& g)
      : zero_below(hn::Set(F32(), power_of_two(g.minimum_exponent - 1))),
        low(hn::BitCast(U32(), hn::Set(F32(), power_of_two(g.minimum_exponent)))),
        high(hn::BitCast(U32(), hn::Set(F32(), power_of_two(g.maximum_exponent)))) {}
  HWY_INLINE VecF operator()(VecF x) const {
    const F32 d;
    const U32 u;
    const VecF magnitude = hn::Abs(x);
    VecU bits = hn::Add(hn::BitCast(u, magnitude), hn::Set(u, PowerGrid::carry));
    bits = hn::And(bits, hn::Set(u, 0xFF800000u));
    bits = hn::Min(hn::Max(bits, low), high);
    const VecF power = hn::CopySignToAbs(hn::BitCast(d, bits), x);
    const VecF result = hn::IfThenZeroElse(hn::Lt(magnitude, zero_below), power);
    return hn::IfThenElse(hn::Eq(x, x), result, x);
  }
};

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

// Bits of the magnitudes, NaN as 0.
HWY_INLINE VecU finite_magnitude(VecF x) {
  const VecU bits = hn::BitCast(U32(), hn::Abs(x));
  return hn::IfThenZeroElse(hn::Gt(bits, hn::Set(U32(), 0x7F800000u)), bits);
}

HWY_INLINE std::uint32_t largest_magnitude(const float* x, std::int64_t n) {
  const F32 d;
  VecU largest = hn::Zero(U32());
  for_vectors(
      n, [&](std::int64_t i) { largest = hn::Max(largest, finite_magnitude(hn::LoadU(d, x + i))); },
      [&](std::int64_t i, std::size_t count) {
        largest =
            hn::Max(largest, finite_magnitude(hn::MaskedLoad(hn::FirstN(d, count), d, x + i)));
      });
  return hn::GetLane(hn::MaxOfLanes(U32(), largest));
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
  if (magnitude_bits == 0) return minimum;
  if (magnitude_bits >= 0x7F800000u) return maximum;
  const int e = magnitude_bits < 0x00800000u
                    ? binary_exponent(std::bit_cast<float>(magnitude_bits))
                    : static_cast<int>((magnitude_bits + carry) >> 23) - 127;
  return std::clamp(e + offset, minimum, maximum);
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
