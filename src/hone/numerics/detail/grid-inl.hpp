// Each grid's rounding on vectors; included once per vector target (Highway's convention).
#if defined(HONE_GRID_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef HONE_GRID_INL_HPP
#undef HONE_GRID_INL_HPP
#else
#define HONE_GRID_INL_HPP
#endif

#include "hone/core/highway-inl.hpp"

// On a lambda: its body goes where it is called, which a compiler does not do by itself for a large
// one that is called in several places.
#ifndef HONE_INLINE_BODY
#define HONE_INLINE_BODY __attribute__((always_inline))
#endif

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "hone/core/vectors-inl.hpp"
#include "hone/numerics/detail/grid_kernels.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// The constants of a grid, spread over vectors once, and its rounding.
template <bool floor>
struct UniformVectorOf {
  VecF inverse, step, low, high;

  explicit UniformVectorOf(const UniformGrid& g)
      : inverse(hn::Set(F32(), g.inverse)),
        step(hn::Set(F32(), g.step)),
        low(hn::Set(F32(), g.low)),
        high(hn::Set(F32(), g.high)) {}
  HWY_INLINE VecF code(VecF x) const {
    const VecF scaled = hn::Mul(x, inverse);
    VecF k = floor ? hn::Floor(scaled) : hn::Round(scaled);
    k = min_or_second(high, max_or_second(low, k));  // NaN passes
    return hn::Add(k, hn::Zero(F32()));
  }
  HWY_INLINE VecF operator()(VecF x) const { return hn::Mul(code(x), step); }
  // What is left to round to nearest: the code of x, where it is not rounded down.
  HWY_INLINE VecF limited(VecF x) const {
    const VecF scaled = hn::Mul(x, inverse);
    return min_or_second(high, max_or_second(low, floor ? hn::Floor(scaled) : scaled));
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

// Calls body(the grid on vectors).
template <typename Body>
HWY_INLINE void with_vector(const UniformGrid& grid, const Body& body) {
  if (grid.rounding == Rounding::floor)
    body(UniformVectorOf<true>(grid));
  else
    body(UniformVectorOf<false>(grid));
}
template <typename Body>
HWY_INLINE void with_vector(const FloatGrid& grid, const Body& body) {
  body(FloatVector(grid));
}
template <typename Body>
HWY_INLINE void with_vector(const PowerGrid& grid, const Body& body) {
  body(PowerVector(grid));
}

// Bits of the magnitude, NaN as zero.
HWY_INLINE VecU finite_magnitude(VecF x) {
  const VecU bits = hn::BitCast(U32(), hn::Abs(x));
  return hn::IfThenZeroElse(hn::Gt(bits, hn::Set(U32(), 0x7F800000u)), bits);
}

// BlockScale::exponent on vectors, as the two factors of a block.
struct ScaleVector {
  VecU largest, smallest_normal, carry, subnormal;
  hn::Vec<I32> offset, minimum, maximum, bias;

  explicit ScaleVector(const BlockScale& s)
      : largest(hn::Set(U32(), 0x7F7FFFFFu)),
        smallest_normal(hn::Set(U32(), 0x00800000u)),
        carry(hn::Set(U32(), s.carry)),
        subnormal(hn::Set(U32(), 0x00400000u)),
        offset(hn::Set(I32(), s.offset)),
        minimum(hn::Set(I32(), s.minimum + 127)),
        maximum(hn::Set(I32(), s.maximum + 127)),
        bias(hn::Set(I32(), 254)) {}
  // 2^e from e + 127 in [0, 254].
  HWY_INLINE VecF power(hn::Vec<I32> biased) const {
    const VecU bits = hn::ShiftLeft<23>(hn::BitCast(U32(), biased));
    return hn::BitCast(F32(), hn::Max(bits, subnormal));
  }
  // `magnitude`: bits of the block's largest number.
  HWY_INLINE void factors(VecU magnitude, VecF& inverse, VecF& scale) const {
    const VecU bits = hn::Min(magnitude, largest);
    const VecU carried = hn::Add(bits, hn::IfThenZeroElse(hn::Lt(bits, smallest_normal), carry));
    hn::Vec<I32> e = hn::Add(hn::BitCast(I32(), hn::ShiftRight<23>(carried)), offset);
    e = hn::Min(hn::Max(e, minimum), maximum);
    inverse = power(hn::Sub(bias, e));
    scale = power(e);
  }
};

// Largest of each of four vectors: in every group of four lanes those of a, b, c, d in this order.
template <int lanes>
HWY_INLINE VecU largest_of_four(VecU a, VecU b, VecU c, VecU d) {
  const U32 u;
  const hn::Repartition<std::uint64_t, U32> pairs;
  const auto merge = [&](VecU p, VecU q) {
    return hn::Max(hn::InterleaveLower(u, p, q), hn::InterleaveUpper(u, p, q));
  };
  const auto ab = hn::BitCast(pairs, merge(a, b));
  const auto cd = hn::BitCast(pairs, merge(c, d));
  VecU m = hn::Max(hn::BitCast(u, hn::InterleaveLower(pairs, ab, cd)),
                   hn::BitCast(u, hn::InterleaveUpper(pairs, ab, cd)));
  if constexpr (lanes >= 16) m = hn::Max(m, hn::SwapAdjacentBlocks(m));
  if constexpr (lanes >= 8) m = hn::Max(m, hn::ReverseBlocks(u, m));
  return m;
}

// For `blocks` blocks of `vectors` vectors end to end: body(first number, 1 / 2^e, 2^e). Four at a
// time, so that four maxima and scales cost little more than one.
template <int vectors, typename Body>
HWY_INLINE void for_block_factors(const ScaleVector& scale, const float* x, std::int64_t blocks,
                                  const Body& body) {
  const F32 d;
  constexpr auto lanes = static_cast<std::int64_t>(hn::MaxLanes(F32()));
  constexpr std::int64_t width = vectors * lanes;
  const auto largest = [&](std::int64_t first) {
    VecU m = finite_magnitude(hn::LoadU(d, x + first));
    for (int v = 1; v < vectors; ++v)
      m = hn::Max(m, finite_magnitude(hn::LoadU(d, x + first + v * lanes)));
    return m;
  };
  VecF inverse;
  VecF factor;
  std::int64_t first = 0;
  for (; first + 4 * width <= blocks * width; first += 4 * width) {
    scale.factors(largest_of_four<lanes>(largest(first), largest(first + width),
                                         largest(first + 2 * width), largest(first + 3 * width)),
                  inverse, factor);
    body(first, hn::Broadcast<0>(inverse), hn::Broadcast<0>(factor));
    body(first + width, hn::Broadcast<1>(inverse), hn::Broadcast<1>(factor));
    body(first + 2 * width, hn::Broadcast<2>(inverse), hn::Broadcast<2>(factor));
    body(first + 3 * width, hn::Broadcast<3>(inverse), hn::Broadcast<3>(factor));
  }
  for (; first < blocks * width; first += width) {
    scale.factors(hn::MaxOfLanes(U32(), largest(first)), inverse, factor);
    body(first, inverse, factor);
  }
}

// Calls body(number of vectors, as a constant) where `width` is one, two, four or eight vectors;
// gives whether it is.
template <typename Body>
HWY_INLINE bool with_vector_count(std::int64_t width, const Body& body) {
  const auto count = [&](auto vectors) {
    if (width != static_cast<std::int64_t>(hn::MaxLanes(F32())) * decltype(vectors)::value)
      return false;
    body(vectors);
    return true;
  };
  return count(std::integral_constant<int, 1>()) || count(std::integral_constant<int, 2>()) ||
         count(std::integral_constant<int, 4>()) || count(std::integral_constant<int, 8>());
}

// Largest bits of the magnitudes; `map` may hide some.
template <typename Map>
HWY_INLINE std::uint32_t largest_bits(const float* x, std::int64_t n, const Map& map) {
  const F32 d;
  VecU largest = hn::Zero(U32());
  for_vectors(
      n, [&](std::int64_t i) { largest = hn::Max(largest, map(hn::LoadU(d, x + i))); },
      [&](std::int64_t i, std::size_t count) {
        largest = hn::Max(largest, map(masked_load(hn::FirstN(d, count), d, x + i)));
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
