// Philox4x32 (philox.hpp) on vectors; included once per vector target (Highway's convention).
#if defined(HONE_PHILOX_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef HONE_PHILOX_INL_HPP
#undef HONE_PHILOX_INL_HPP
#else
#define HONE_PHILOX_INL_HPP
#endif

#include "hone/core/highway-inl.hpp"

#include <cstdint>

#include "hone/core/philox.hpp"
#include "hone/core/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

HWY_INLINE void multiply_wide(VecU x, VecU factor, VecU& high, VecU& low) {
  const U32 d;
  const hn::RepartitionToWide<U32> wide;
  const auto even = hn::MulEven(x, factor);
  const auto odd = hn::MulEven(hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(wide, x))), factor);
  low = hn::OddEven(hn::BitCast(d, hn::ShiftLeft<32>(odd)), hn::BitCast(d, even));
  high = hn::OddEven(hn::BitCast(d, odd), hn::BitCast(d, hn::ShiftRight<32>(even)));
}

// The four words of as many consecutive counters as a vector has lanes. The counters count in their
// first word, from `first`; their other words and the key are the same for all.
struct PhiloxVectors {
  VecU word[4];
};
template <int rounds = philox_mask_rounds>
HWY_INLINE PhiloxVectors philox_vectors(std::uint32_t first, std::uint32_t second,
                                        std::uint32_t third, std::uint32_t fourth,
                                        std::uint32_t key_0, std::uint32_t key_1) {
  const U32 d;
  VecU c0 = hn::Iota(d, first);
  VecU c1 = hn::Set(d, second);
  VecU c2 = hn::Set(d, third);
  VecU c3 = hn::Set(d, fourth);
  const VecU m0 = hn::Set(d, philox_multiplier_0);
  const VecU m1 = hn::Set(d, philox_multiplier_1);
  for (int round = 0; round < rounds; ++round) {
    VecU high0;
    VecU low0;
    VecU high1;
    VecU low1;
    multiply_wide(c0, m0, high0, low0);
    multiply_wide(c2, m1, high1, low1);
    c0 = hn::Xor(hn::Xor(high1, c1), hn::Set(d, key_0));
    c1 = low1;
    c2 = hn::Xor(hn::Xor(high0, c3), hn::Set(d, key_1));
    c3 = low0;
    key_0 += philox_weyl_0;
    key_1 += philox_weyl_1;
  }
  return {{c0, c1, c2, c3}};
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#endif
