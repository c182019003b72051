// conv_int8 on any machine: the codes of both sides become 16-bit numbers, of which one instruction
// multiplies and adds pairs. Exact like the others.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/quant/conv_int8.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include <algorithm>
#include <vector>

#include "hone/backend/cpu/detail/conv_int8.hpp"
#include "hone/backend/cpu/detail/int16_product-inl.hpp"
#include "hone/core/threads.hpp"
#include "hone/core/unroll.hpp"
#include "hone/core/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

constexpr std::int64_t lanes = int32_lanes;

struct WindowPiece : ConvInt8Piece<std::int16_t> {
  const std::int16_t* codes;    // the places of CodePlanes, WindowNumbers::place each
  const std::int64_t* offsets;  // of a window's pairs, from its first code
};

// Filters [first, first + vectors * lanes) of Rows places from `row` on.
template <int Rows, int vectors>
void tile(const WindowPiece& piece, std::int64_t row, std::int64_t first) {
  const I32 di;
  const F32 df;
  const BoundConvInt8& bound = *piece.bound;
  const ConvInt8& conv = bound.conv;
  const std::int64_t columns = bound.numbers.columns, n = bound.panels * int8_panel;
  VecF totals[Rows][vectors];
  HONE_UNROLL for (int r = 0; r < Rows; ++r) HONE_UNROLL for (int j = 0; j < vectors; ++j)
      totals[r][j] = hn::Zero(df);
  // A block is a part of a tap, or the whole window.
  const std::int64_t blocks = conv.blocks();
  for (std::int64_t b = 0; b < blocks; ++b) {
    const std::int64_t tap = piece.windows->taps[static_cast<std::size_t>(conv.tap_of(b))];
    const std::int64_t inside = tap * conv.padded + b * conv.block % conv.padded;
    const std::int16_t* x[Rows];
    HONE_UNROLL for (int r = 0; r < Rows; ++r) x[r] =
        piece.codes + piece.places[row + r] * bound.numbers.place + (blocks == 1 ? 0 : inside);
    const std::int16_t* w[vectors];
    HONE_UNROLL for (int j = 0; j < vectors; ++j) {
      const std::int64_t o = first + j * lanes;
      w[j] = piece.filters.codes + o / int8_panel * int8_panel * columns + o % int8_panel * 2 +
             b * conv.block * int8_panel;
    }
    HWY_ALIGN std::int32_t sums[Rows * vectors * lanes];
    if (blocks == 1)
      multiply_pairs<Rows, vectors>(x, piece.offsets, columns / 2, w, sums, vectors * lanes);
    else
      multiply_pairs<Rows, vectors>(x, PairsTogether(), conv.block / 2, w, sums, vectors * lanes);
    HONE_UNROLL for (int j = 0; j < vectors; ++j) {
      const std::int64_t at = b * n + first + j * lanes;
      HONE_UNROLL for (int r = 0; r < Rows; ++r) {
        VecF scale = hn::LoadU(df, piece.filters.scales + at);
        if (!conv.data_layout.fixed)
          scale = hn::Mul(
              scale,
              hn::Set(
                  df,
                  piece.planes->scales[static_cast<std::size_t>(
                      (piece.places[row + r] + tap) * conv.place_scales() + conv.place_scale(b))]));
        const Vec32 whole = hn::Add(hn::Load(di, sums + (r * vectors + j) * lanes),
                                    hn::LoadU(di, piece.filters.sums + at));
        totals[r][j] = hn::MulAdd(hn::ConvertTo(df, whole), scale, totals[r][j]);
      }
    }
  }
  const VecF high = hn::Set(df, bound.high);
  HONE_UNROLL for (int r = 0; r < Rows; ++r) {
    HONE_UNROLL for (int j = 0; j < vectors; ++j) {
      const std::int64_t o = first + j * lanes, left = conv.filters - o;
      if (left <= 0) break;
      const auto mask = hn::FirstN(df, static_cast<std::size_t>(std::min(left, lanes)));
      const std::int64_t at = (row + r) * conv.filters + o;
      VecF v = totals[r][j];
      if (piece.bias != nullptr) v = hn::Add(v, masked_load(mask, df, piece.bias + o));
      if (piece.add != nullptr) v = hn::Add(v, masked_load(mask, df, piece.add + at));
      if (bound.relu) v = min_or_second(high, max_or_second(hn::Zero(df), v));
      blended_store(v, mask, df, piece.y + at);
    }
  }
}

template <int vectors>
void places_of(const WindowPiece& piece, std::int64_t count, std::int64_t first) {
  std::int64_t row = 0;
  if (piece.bound->conv.blocks() == 1)
    for (; row + 6 <= count; row += 6) tile<6, vectors>(piece, row, first);
  for (; row + 3 <= count; row += 3) tile<3, vectors>(piece, row, first);
  for (; row < count; ++row) tile<1, vectors>(piece, row, first);
}

void widen(const std::uint8_t* from, std::int64_t count, std::int16_t* to) {
  const hn::Rebind<std::uint8_t, I16> bytes;
  constexpr std::int64_t step = 2 * lanes;
  std::int64_t i = 0;
  for (; i + step <= count; i += step)
    hn::StoreU(hn::PromoteTo(I16(), hn::LoadU(bytes, from + i)), I16(), to + i);
  for (; i < count; ++i) to[i] = from[i];
}

// The channels of `count` places without those that fill up.
void widen_places(const ConvInt8& conv, const std::uint8_t* from, std::int64_t count,
                  std::int16_t* to) {
  const hn::CappedTag<std::int16_t, 4> four;
  const hn::Rebind<std::uint8_t, decltype(four)> bytes;
  for (std::int64_t p = 0; p < count; ++p, from += conv.padded, to += conv.channels) {
    // (Places behind overwrite what fills up, where there are as many; others' are left alone.)
    if ((count - p) * conv.channels < conv.padded) {
      widen(from, conv.channels, to);
      continue;
    }
    for (std::int64_t c = 0; c < conv.padded; c += 4)
      hn::StoreU(hn::PromoteTo(four, hn::LoadU(bytes, from + c)), four, to + c);
  }
}

void run_conv_int8(const KernelCall& call) {
  // Kept from call to call, of all convolutions.
  static thread_local CodePlanes kept;
  static thread_local std::vector<std::int16_t> kept_codes;
  CodePlanes& planes = kept;
  encode_planes(call, planes);
  const auto& bound = *static_cast<const BoundConvInt8*>(call.bound);
  const ConvInt8& conv = bound.conv;
  const std::int64_t place = bound.numbers.place;
  const std::int64_t count = planes.count(conv) / conv.padded;
  // (A run of pairs may end behind the last place.)
  kept_codes.resize(std::max(kept_codes.size(), static_cast<std::size_t>(count * place + 1)));
  std::int16_t* const codes = kept_codes.data();
  parallel_ranges(count, [&](std::int64_t from, std::int64_t to, int) {
    const std::uint8_t* const own = planes.codes + from * conv.padded;
    if (place == conv.padded)
      widen(own, (to - from) * place, codes + from * place);
    else
      widen_places(conv, own, to - from, codes + from * place);
  });
  std::vector<std::int64_t> offsets;
  for (const std::int64_t run : window_runs(bound, planes).runs)
    for (std::int64_t k = 0; k < bound.numbers.run; k += 2)
      offsets.push_back(run / conv.padded * place + k);
  for_conv_pieces<std::int16_t>(call, planes, 6, [&](const ConvInt8Piece<std::int16_t>& own) {
    const WindowPiece piece{own, codes, offsets.data()};
    std::int64_t o = piece.first_panel * int8_panel;
    const std::int64_t end = piece.end_panel * int8_panel;
    for (; o + 2 * lanes <= end; o += 2 * lanes) places_of<2>(piece, piece.count, o);
    if (o < end) places_of<1>(piece, piece.count, o);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_conv_int8);

Kernel cpu_kernel_conv_int8() {
  Kernel kernel{{"cpu.conv_int8", "windows of places meet filters, by 16-bit instructions"},
                "conv_int8",
                RowRule::whole,
                10};
  kernel.bind = bind_node_conv_int8;
  kernel.workspace = conv_int8_workspace<std::int16_t>;
  kernel.begin = begin_conv_int8<std::int16_t>;
  kernel.begin_once = true;
  kernel.begin_end = 3;
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_conv_int8)(call); };
  return kernel;
}

}  // namespace hone
#endif
