// float16 and bfloat16 in memory as vectors of float32; included once per vector target (Highway's
// convention).
#if defined(HONE_HALVES_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef HONE_HALVES_INL_HPP
#undef HONE_HALVES_INL_HPP
#else
#define HONE_HALVES_INL_HPP
#endif

#include <cstdint>
#include <cstring>

#include "hone/core/dtype.hpp"
#include "hone/core/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

using U16 = hn::Rebind<std::uint16_t, F32>;
using F16 = hn::Rebind<hwy::float16_t, F32>;

// A vector of float32 from numbers that are stored so.
struct LoadFloat32 {
  static constexpr std::size_t bytes = 4;
  HWY_INLINE VecF operator()(const void* from) const {
    return hn::LoadU(F32(), static_cast<const float*>(from));
  }
};
struct LoadFloat16 {
  static constexpr std::size_t bytes = 2;
  HWY_INLINE VecF operator()(const void* from) const {
    return hn::PromoteTo(F32(), hn::LoadU(F16(), static_cast<const hwy::float16_t*>(from)));
  }
};
struct LoadBFloat16 {
  static constexpr std::size_t bytes = 2;
  HWY_INLINE VecF operator()(const void* from) const {
    const auto bits = hn::LoadU(U16(), static_cast<const std::uint16_t*>(from));
    return hn::BitCast(F32(), hn::ShiftLeft<16>(hn::PromoteTo(U32(), bits)));
  }
};

// Rounded to the nearest, halves to even; NaN stays NaN.
struct StoreFloat32 {
  static constexpr std::size_t bytes = 4;
  HWY_INLINE void operator()(VecF v, void* to) const {
    hn::StoreU(v, F32(), static_cast<float*>(to));
  }
};
struct StoreFloat16 {
  static constexpr std::size_t bytes = 2;
  HWY_INLINE void operator()(VecF v, void* to) const {
    hn::StoreU(hn::DemoteTo(F16(), v), F16(), static_cast<hwy::float16_t*>(to));
  }
};
struct StoreBFloat16 {
  static constexpr std::size_t bytes = 2;
  HWY_INLINE void operator()(VecF v, void* to) const {
    const U32 d;
    const VecU bits = hn::BitCast(d, v);
    const VecU odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 1u));
    const VecU rounded = hn::Add(hn::Add(bits, hn::Set(d, 0x7fffu)), odd);
    const VecU quiet = hn::Or(bits, hn::Set(d, 0x400000u));
    const VecU kept = hn::IfThenElse(hn::RebindMask(d, hn::IsNaN(v)), quiet, rounded);
    hn::StoreU(hn::DemoteTo(U16(), hn::BitCast(I32(), hn::ShiftRight<16>(kept))), U16(),
               static_cast<std::uint16_t*>(to));
  }
};

// Calls f(load) for the type that numbers are stored in: f32, f16 or bf16.
template <typename F>
HWY_INLINE void with_load(DType dtype, const F& f) {
  if (dtype == DType::f16) return f(LoadFloat16());
  if (dtype == DType::bf16) return f(LoadBFloat16());
  f(LoadFloat32());
}
template <typename F>
HWY_INLINE void with_store(DType dtype, const F& f) {
  if (dtype == DType::f16) return f(StoreFloat16());
  if (dtype == DType::bf16) return f(StoreBFloat16());
  f(StoreFloat32());
}

// The first `count` lanes; nothing behind them is read, or written.
template <typename Load>
HWY_INLINE VecF load_some(const Load& load, const void* from, std::size_t count) {
  HWY_ALIGN std::byte bytes[hn::MaxLanes(F32()) * Load::bytes] = {};
  std::memcpy(bytes, from, count * Load::bytes);
  return load(bytes);
}
template <typename Store>
HWY_INLINE void store_some(const Store& store, VecF v, void* to, std::size_t count) {
  HWY_ALIGN std::byte bytes[hn::MaxLanes(F32()) * Store::bytes];
  store(v, bytes);
  std::memcpy(to, bytes, count * Store::bytes);
}

// Calls body(i, vector of x at i) for vectors of x that cover [0, n): behind it lanes are 0.
template <typename Load, typename Body>
HWY_INLINE void for_loaded(const Load& load, const void* x, std::int64_t n, const Body& body) {
  const auto* bytes = static_cast<const std::byte*>(x);
  for_vectors(
      n, [&](std::int64_t i) { body(i, load(bytes + i * std::int64_t{Load::bytes})); },
      [&](std::int64_t i, std::size_t count) {
        body(i, load_some(load, bytes + i * std::int64_t{Load::bytes}, count));
      });
}
// to[i] = v(i) for [0, n).
template <typename Store, typename Value>
HWY_INLINE void store_all(const Store& store, std::int64_t n, void* to, const Value& value) {
  auto* bytes = static_cast<std::byte*>(to);
  for_vectors(
      n, [&](std::int64_t i) { store(value(i), bytes + i * std::int64_t{Store::bytes}); },
      [&](std::int64_t i, std::size_t count) {
        store_some(store, value(i), bytes + i * std::int64_t{Store::bytes}, count);
      });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#endif  // HONE_HALVES_INL_HPP
