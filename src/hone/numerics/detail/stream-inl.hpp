// Loops over arrays that store past the caches; included once per vector target (Highway's
// convention).
#if defined(HONE_STREAM_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef HONE_STREAM_INL_HPP
#undef HONE_STREAM_INL_HPP
#else
#define HONE_STREAM_INL_HPP
#endif

#include <hwy/cache_control.h>
#include "hone/core/highway-inl.hpp"

#include <algorithm>
#include <cstdint>

#include "hone/core/vectors-inl.hpp"
#include "hone/numerics/detail/grid_kernels.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// map_vectors; past the caches go whole vectors (finish_stream() afterwards).
template <typename F>
HWY_INLINE void map_numbers(const float* x, float* y, std::int64_t n, Stores stores, const F& f) {
  if (stores == Stores::cached) {
    map_vectors(x, y, n, f);
    return;
  }
  const F32 d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto misaligned =
      static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(y) / sizeof(float) % hn::Lanes(d));
  const std::int64_t head = misaligned == 0 ? 0 : std::min(n, lanes - misaligned);
  map_vectors(x, y, head, f);
  std::int64_t i = head;
  if (stores == Stores::past_caches) {
    for (; i + lanes <= n; i += lanes) hn::Stream(f(hn::LoadU(d, x + i)), d, y + i);
  } else {
    for (; i + lanes <= n; i += lanes) {
      hwy::Prefetch(x + n + i);
      hn::Stream(f(hn::LoadU(d, x + i)), d, y + i);
    }
  }
  map_vectors(x + i, y + i, n - i, f);
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#endif  // HONE_STREAM_INL_HPP
