// A block of places of y meets a panel of filters in registers; included once per vector target
// (Highway's convention).
#if defined(HONE_CONV_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef HONE_CONV_INL_HPP
#undef HONE_CONV_INL_HPP
#else
#define HONE_CONV_INL_HPP
#endif

#include <cstdint>

#include "hone/core/unroll.hpp"
#include "hone/core/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// Of a block: 6 x 2 sums of 16 registers, 6 x 4 of 32.
constexpr int block_places = 6;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SSSE3 || \
    HWY_TARGET == HWY_SSE2
constexpr int panel_vectors = 2;
#else
constexpr int panel_vectors = 4;
#endif

HWY_INLINE std::int64_t conv_panel_width() {
  return panel_vectors * static_cast<std::int64_t>(hn::Lanes(F32()));
}

// What stays the same for the blocks of a panel.
struct ConvPanel {
  std::int64_t taps, channels;
  const float* weights;  // [taps, channels, width]
  const float* bias;     // of the panel, or null
  const float* add;      // as y, at the panel's first filter, or null
  float* y;
  std::int64_t filters;  // between places of y
  std::int64_t columns;  // of the panel that there are
  bool relu;
  float high;
};

// Negative numbers become 0, those above `high` that; NaN stays NaN.
HWY_INLINE VecF relu_below(VecF v, VecF high) {
  return min_or_second(high, max_or_second(hn::Zero(F32()), v));
}

// Sums for `count` places from `place` on. places: of each tap six pointers; the first one null
// where all are outside.
inline HWY_NOINLINE void conv_block(const ConvPanel& p, const float* const* places,
                                    std::int64_t place, std::int64_t count) {
  const F32 d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  VecF sum[block_places][panel_vectors];
  HONE_UNROLL
  for (int i = 0; i < block_places; ++i) HONE_UNROLL
  for (int j = 0; j < panel_vectors; ++j) sum[i][j] = hn::Zero(d);
  const float* w = p.weights;
  for (std::int64_t t = 0; t < p.taps; ++t, places += block_places) {
    if (places[0] == nullptr) {
      w += p.channels * panel_vectors * lanes;
      continue;
    }
    const float* x[block_places];
    HONE_UNROLL
    for (int i = 0; i < block_places; ++i) x[i] = places[i];
    for (std::int64_t c = 0; c < p.channels; ++c) {
      VecF right[panel_vectors];
      HONE_UNROLL
      for (int j = 0; j < panel_vectors; ++j) right[j] = hn::LoadU(d, w + j * lanes);
      w += panel_vectors * lanes;
      HONE_UNROLL
      for (int i = 0; i < block_places; ++i) {
        const VecF left = hn::Set(d, x[i][c]);
        HONE_UNROLL
        for (int j = 0; j < panel_vectors; ++j) sum[i][j] = hn::MulAdd(left, right[j], sum[i][j]);
      }
    }
  }
  const VecF high = hn::Set(d, p.high);
  HONE_UNROLL
  for (int i = 0; i < block_places; ++i) {
    if (i >= count) break;
    const std::int64_t row = (place + i) * p.filters;
    HONE_UNROLL
    for (int j = 0; j < panel_vectors; ++j) {
      const std::int64_t left = p.columns - j * lanes, at = j * lanes;
      if (left <= 0) break;
      VecF v = sum[i][j];
      if (left >= lanes) {
        if (p.bias != nullptr) v = hn::Add(v, hn::LoadU(d, p.bias + at));
        if (p.add != nullptr) v = hn::Add(v, hn::LoadU(d, p.add + row + at));
        if (p.relu) v = relu_below(v, high);
        hn::StoreU(v, d, p.y + row + at);
      } else {
        const auto mask = hn::FirstN(d, static_cast<std::size_t>(left));
        if (p.bias != nullptr) v = hn::Add(v, masked_load(mask, d, p.bias + at));
        if (p.add != nullptr) v = hn::Add(v, masked_load(mask, d, p.add + row + at));
        if (p.relu) v = relu_below(v, high);
        blended_store(v, mask, d, p.y + row + at);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#endif  // HONE_CONV_INL_HPP
