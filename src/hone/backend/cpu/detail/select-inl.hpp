// Choosing numbers by the bits of their magnitude; included once per vector target.
#if defined(HONE_SELECT_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef HONE_SELECT_INL_HPP
#undef HONE_SELECT_INL_HPP
#else
#define HONE_SELECT_INL_HPP
#endif

#include "hone/core/highway-inl.hpp"

#include <cstdint>
#include <cstring>

#include "hone/core/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// Magnitudes are ordered as their bits are, as whole numbers; NaN is the largest.
HWY_INLINE std::int32_t magnitude_bits(float x) {
  std::int32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits & 0x7fffffff;
}

// How many of n numbers have magnitude bits below `limit`.
HWY_INLINE std::int64_t count_below(const float* x, std::int64_t n, std::int32_t limit) {
  const hn::ScalableTag<std::int32_t> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto sign = hn::Set(d, 0x7fffffff);
  const auto bound = hn::Set(d, limit);
  const auto* bits = reinterpret_cast<const std::int32_t*>(x);
  std::int64_t count = 0;
  std::int64_t i = 0;
  // (A lane counts to n / lanes at most: no row has 2^31 numbers.)
  auto counts = hn::Zero(d);
  for (; i + lanes <= n; i += lanes)
    counts =
        hn::Sub(counts, hn::VecFromMask(d, hn::Lt(hn::And(hn::LoadU(d, bits + i), sign), bound)));
  count = hn::GetLane(hn::SumOfLanes(d, counts));
  for (; i < n; ++i) count += magnitude_bits(x[i]) < limit;
  return count;
}

// y and keep where the magnitude's bits are above `limit`; 0 elsewhere.
HWY_INLINE void keep_above(const float* x, float* y, std::uint8_t* keep, std::int64_t n,
                           std::int32_t limit) {
  const hn::ScalableTag<float> df;
  const hn::ScalableTag<std::int32_t> d;
  const hn::Rebind<std::uint8_t, decltype(df)> d8;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto sign = hn::Set(d, 0x7fffffff);
  const auto bound = hn::Set(d, limit);
  const auto one = hn::Set(d, 1);
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto v = hn::LoadU(df, x + i);
    const auto above = hn::Gt(hn::And(hn::BitCast(d, v), sign), bound);
    hn::StoreU(hn::IfThenElseZero(hn::RebindMask(df, above), v), df, y + i);
    hn::StoreU(hn::DemoteTo(d8, hn::IfThenElseZero(above, one)), d8, keep + i);
  }
  for (; i < n; ++i) {
    keep[i] = magnitude_bits(x[i]) > limit;
    y[i] = keep[i] != 0 ? x[i] : 0.0f;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#endif
