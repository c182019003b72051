// Loops over arrays in whole vectors; included once per vector target (Highway's convention).
#if defined(HONE_VECTORS_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef HONE_VECTORS_INL_HPP
#undef HONE_VECTORS_INL_HPP
#else
#define HONE_VECTORS_INL_HPP
#endif

#include "hone/core/highway-inl.hpp"

#include <cstdint>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F32 = hn::ScalableTag<float>;
using I32 = hn::RebindToSigned<F32>;
using U32 = hn::RebindToUnsigned<F32>;
using VecF = hn::Vec<F32>;
using VecU = hn::Vec<U32>;

// The larger (smaller) of the two, and b where either is NaN. That is x86's instruction; Arm's
// takes the number.
HWY_INLINE VecF max_or_second(VecF a, VecF b) {
#if HWY_ARCH_X86
  return hn::Max(a, b);
#else
  return hn::IfThenElse(hn::Gt(a, b), a, b);
#endif
}
HWY_INLINE VecF min_or_second(VecF a, VecF b) {
#if HWY_ARCH_X86
  return hn::Min(a, b);
#else
  return hn::IfThenElse(hn::Lt(a, b), a, b);
#endif
}

// The lanes of a mask that FirstN made, zero in the others; only what these lanes cover is read.
// Highway's own function promises that on x86 alone.
template <typename Mask, typename D>
HWY_INLINE hn::Vec<D> masked_load(Mask mask, D d, const hn::TFromD<D>* from) {
#if HWY_ARCH_X86
  return hn::MaskedLoad(mask, d, from);
#else
  HWY_ALIGN hn::TFromD<D> lanes[hn::MaxLanes(d)] = {};
  std::memcpy(lanes, from, hn::CountTrue(d, mask) * sizeof lanes[0]);
  return hn::Load(d, lanes);
#endif
}

// Writes the lanes of such a mask and nothing beside them: what follows may be another thread's.
template <typename V, typename Mask, typename D>
HWY_INLINE void blended_store(V value, Mask mask, D d, hn::TFromD<D>* to) {
#if HWY_ARCH_X86
  hn::BlendedStore(value, mask, d, to);
#else
  HWY_ALIGN hn::TFromD<D> lanes[hn::MaxLanes(d)];
  hn::Store(value, d, lanes);
  std::memcpy(to, lanes, hn::CountTrue(d, mask) * sizeof lanes[0]);
#endif
}

// Reads and writes vectors of which `left` lanes are there, or all if there are more.
class PartialVector {
public:
  HWY_INLINE explicit PartialVector(std::int64_t left)
      : is_whole_(left >= static_cast<std::int64_t>(hn::Lanes(F32()))),
        mask_(hn::FirstN(F32(), static_cast<std::size_t>(left))) {}

  HWY_INLINE VecF load(const float* from) const {
    return is_whole_ ? hn::LoadU(F32(), from) : masked_load(mask_, F32(), from);
  }
  HWY_INLINE void store(VecF v, float* to) const {
    if (is_whole_)
      hn::StoreU(v, F32(), to);
    else
      blended_store(v, mask_, F32(), to);
  }

private:
  bool is_whole_;
  hn::Mask<F32> mask_;
};

// Calls body(i) for whole vectors of [0, n), then tail(i, count) for the rest.
template <typename Body, typename Tail>
HWY_INLINE void for_vectors(std::int64_t n, const Body& body, const Tail& tail) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(F32()));
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) body(i);
  if (i < n) tail(i, static_cast<std::size_t>(n - i));
}

// to[i] = f(vector of x at i); f gets vectors, tails included.
template <typename F>
HWY_INLINE void map_vectors(const float* x, float* to, std::int64_t n, const F& f) {
  const F32 d;
  for_vectors(
      n, [&](std::int64_t i) { hn::StoreU(f(hn::LoadU(d, x + i)), d, to + i); },
      [&](std::int64_t i, std::size_t count) {
        const auto mask = hn::FirstN(d, count);
        blended_store(f(masked_load(mask, d, x + i)), mask, d, to + i);
      });
}

template <typename F>
HWY_INLINE void map_vectors2(const float* x, const float* y, float* to, std::int64_t n,
                             const F& f) {
  const F32 d;
  for_vectors(
      n,
      [&](std::int64_t i) { hn::StoreU(f(hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, to + i); },
      [&](std::int64_t i, std::size_t count) {
        const auto mask = hn::FirstN(d, count);
        blended_store(f(masked_load(mask, d, x + i), masked_load(mask, d, y + i)), mask, d, to + i);
      });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#endif  // HONE_VECTORS_INL_HPP
