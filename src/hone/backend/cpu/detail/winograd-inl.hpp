// Winograd's transform of what tiles read; included once per vector target (Highway's convention).
#if defined(HONE_WINOGRAD_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef HONE_WINOGRAD_INL_HPP
#undef HONE_WINOGRAD_INL_HPP
#else
#define HONE_WINOGRAD_INL_HPP
#endif

#include <cstdint>

#include "hone/backend/cpu/detail/winograd.hpp"
#include "hone/core/unroll.hpp"
#include "hone/core/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

using namespace winograd;

// B^T of six numbers.
HWY_INLINE void transform_input(const VecF* x, VecF* to, int step) {
  const F32 d;
  const VecF four = hn::Set(d, 4.0f), five = hn::Set(d, 5.0f), two = hn::Set(d, 2.0f);
  to[0] = hn::MulAdd(four, x[0], hn::NegMulAdd(five, x[2], x[4]));
  const VecF a = hn::NegMulAdd(four, x[2], x[4]), b = hn::NegMulAdd(four, x[1], x[3]);
  to[step] = hn::Add(a, b);
  to[2 * step] = hn::Sub(a, b);
  const VecF c = hn::Sub(x[4], x[2]), e = hn::Mul(two, hn::Sub(x[3], x[1]));
  to[3 * step] = hn::Add(c, e);
  to[4 * step] = hn::Sub(c, e);
  to[5 * step] = hn::MulAdd(four, x[1], hn::NegMulAdd(five, x[3], x[5]));
}

// Six by six numbers of x that a tile reads: where each begins, null outside.
struct TileReads {
  const float* place[tile_elements];
};
HWY_INLINE TileReads locate_tile(const ConvSizes& s, const float* x, const TilePlace& at) {
  TileReads reads;
  for (int r = 0; r < tile_in; ++r)
    for (int k = 0; k < tile_in; ++k) {
      const std::int64_t h = at.h - s.before_h + r, w = at.w - s.before_w + k;
      const bool inside = h >= 0 && h < s.height && w >= 0 && w < s.width;
      reads.place[r * tile_in + k] =
          inside ? x + ((at.image * s.height + h) * s.width + w) * s.channels : nullptr;
    }
  return reads;
}

// B^T x B of channels [first, end), element e of the tile from `to` + e * `step` on.
HWY_INLINE void transform_tile(const TileReads& reads, std::int64_t first, std::int64_t end,
                               float* to, std::int64_t step) {
  const F32 d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t c = first; c < end; c += lanes, to += lanes) {
    const PartialVector channels(end - c);
    VecF rows[tile_elements];
    for (int k = 0; k < tile_in; ++k) {
      VecF column[tile_in];
      HONE_UNROLL
      for (int r = 0; r < tile_in; ++r) {
        const float* from = reads.place[r * tile_in + k];
        column[r] = from == nullptr ? hn::Zero(d) : channels.load(from + c);
      }
      transform_input(column, rows + k, tile_in);
    }
    for (int r = 0; r < tile_in; ++r) {
      VecF row[tile_in];
      transform_input(rows + r * tile_in, row, 1);
      HONE_UNROLL
      for (int k = 0; k < tile_in; ++k) channels.store(row[k], to + (r * tile_in + k) * step);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#endif  // HONE_WINOGRAD_INL_HPP
