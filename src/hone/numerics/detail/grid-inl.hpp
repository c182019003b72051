// Each grid's rounding on vectors; included once per vector target (Highway's convention).
#if defined(HONE_GRID_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef HONE_GRID_INL_HPP
#undef HONE_GRID_INL_HPP
#else
#define HONE_GRID_INL_HPP
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>

#include "hone/core/vectors-inl.hpp"
#include "hone/numerics/detail/grid_kernels.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// The constants of a grid, spread over vectors once, and its rounding.
struct UniformVector {
  VecF inverse, step, low, high;
  bool floor;

  explicit UniformVector(const UniformGrid& g)
      : inverse(hn::Set(F32(), g.inverse)),
        step(hn::Set(F32(), g.step)),
        low(hn::Set(F32(), g.low)),
        high(hn::Set(F32(), g.high)),
        floor(g.rounding == Rounding::floor) {}
  HWY_INLINE VecF code(VecF x) const {
    const VecF scaled = hn::Mul(x, inverse);
    VecF k = floor ? hn::Floor(scaled) : hn::Round(scaled);
    k = hn::IfThenElse(hn::Lt(k, low), low, k);
    k = hn::IfThenElse(hn::Gt(k, high), high, k);
    return hn::Add(k, hn::Zero(F32()));
  }
  HWY_INLINE VecF operator()(VecF x) const { return hn::Mul(code(x), step); }
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

template <typename Grid>
struct VectorOf;
template <>
struct VectorOf<UniformGrid> {
  using type = UniformVector;
};
template <>
struct VectorOf<FloatGrid> {
  using type = FloatVector;
};
template <>
struct VectorOf<PowerGrid> {
  using type = PowerVector;
};

// Largest bits of the magnitudes; `map` may hide some.
template <typename Map>
HWY_INLINE std::uint32_t largest_bits(const float* x, std::int64_t n, const Map& map) {
  const F32 d;
  VecU largest = hn::Zero(U32());
  for_vectors(
      n, [&](std::int64_t i) { largest = hn::Max(largest, map(hn::LoadU(d, x + i))); },
      [&](std::int64_t i, std::size_t count) {
        largest = hn::Max(largest, map(hn::MaskedLoad(hn::FirstN(d, count), d, x + i)));
      });
  return hn::GetLane(hn::MaxOfLanes(U32(), largest));
}

// NaN left out: they are rare, so they are looked for only where the plain largest is one.
HWY_INLINE std::uint32_t largest_magnitude(const float* x, std::int64_t n) {
  const U32 u;
  const VecU infinity = hn::Set(u, 0x7F800000u);
  const std::uint32_t largest =
      largest_bits(x, n, [&](VecF v) { return hn::BitCast(U32(), hn::Abs(v)); });
  if (HWY_LIKELY(largest <= 0x7F800000u)) return largest;
  return largest_bits(x, n, [&](VecF v) {
    const VecU bits = hn::BitCast(U32(), hn::Abs(v));
    return hn::IfThenZeroElse(hn::Gt(bits, infinity), bits);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#endif  // HONE_GRID_INL_HPP
