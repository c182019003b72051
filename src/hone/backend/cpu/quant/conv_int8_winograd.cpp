// conv_int8 3 x 3 with steps of one by tiles of 4 x 4 places: 36 products of 16-bit numbers instead
// of 144, and the same whole numbers as the kernels that multiply windows.
//
// As Winograd's F(4 x 4, 3 x 3) (backend/cpu/detail/winograd.hpp), from the points 0, 1, -1, 2,
// -1/2 and infinity. With B^T x B and G w G^T as below all numbers are whole, and
//
//         2  3 -4 -3  2  0          15  0  0
//         0 -2 -5 -1  2  0          -5 -5 -5               1  1  1  1 -8  0
//   B^T = 0  2  1 -5  2  0      G =  5 -5  5    30 A^T =   0  1 -1  2  4  0
//         0 -1 -2  1  2  0           1  2  4               0  1  1  4 -2  0
//         0  2 -1 -2  1  0           4 -2  1               0  1 -1  8  1  1
//         0  2  3 -4 -3  2           0  0 15
//
// (30 A^T) M (30 A) is 900 y. Codes (0 to 255, less their zero) give at most 98 * 255 in B^T x B,
// filters (-128 to 127) 225 * 128: both are 16-bit numbers. Sums of products wrap around at 2^32;
// so do A^T's. 900 is 4 * 225, and 225 has an inverse modulo 2^32: what is left is 4 y modulo 2^32,
// which is y where y is below 2^29. (The usual points 0, 1, -1, 2, -2 would leave 64 y.)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/quant/conv_int8_winograd.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "hone/backend/cpu/detail/conv_int8.hpp"
#include "hone/backend/cpu/detail/int16_product-inl.hpp"
#include "hone/backend/cpu/detail/winograd.hpp"
#include "hone/core/round_up.hpp"
#include "hone/core/threads.hpp"
#include "hone/core/unroll.hpp"
#include "hone/core/vectors-inl.hpp"

#ifndef HONE_CONV_INT8_WINOGRAD_SIZES
#define HONE_CONV_INT8_WINOGRAD_SIZES
namespace hone {
namespace conv_int8_winograd_kernel {

using winograd::tile_elements;
using winograd::tile_in;
using winograd::tile_out;

// Transformed filters weigh eight times as much: fewer tiles do not pay for reading them.
constexpr std::int64_t least_tiles = 12;
// Vectors of 16-bit numbers of AVX2.
constexpr std::int64_t least_channels = 16;
// Of a window, so that y is below 2^29.
constexpr std::int64_t most_codes = (std::int64_t{1} << 29) / (255 * 128) - 1;

// What begin() writes into the workspace: codes i16 [element][panel][padded / 2][16][2], then the
// scales of filters.
struct Filters {
  std::int16_t* codes;
  float* scales;
};
inline std::int64_t code_count(const BoundConvInt8& bound) {
  return tile_elements * bound.panels * int8_panel * bound.conv.padded;
}
inline Filters filters_of(const BoundConvInt8& bound, std::byte* workspace) {
  auto* codes = reinterpret_cast<std::int16_t*>(workspace);
  return {codes, reinterpret_cast<float*>(codes + code_count(bound))};
}

// Tiles that one thread has in its cache: some rows of tiles, or a part of a long one.
struct Cut {
  std::int64_t down, across;    // tiles of an image
  std::int64_t rows, columns;   // of a piece, in tiles
  std::int64_t pieces, beside;  // pieces in all; beside each other in a row
  std::int64_t parts;           // of the panels: where tiles are few
};
inline Cut cut_tiles(const BoundConvInt8& bound, const CodePlanes& planes, std::int64_t threads) {
  Cut cut{};
  cut.down = (planes.out_height + tile_out - 1) / tile_out;
  cut.across = (planes.out_width + tile_out - 1) / tile_out;
  const std::int64_t all = planes.images * cut.down;  // rows
  // The more a filter weighs, the more tiles it should meet.
  const std::int64_t channels = bound.conv.channels;
  const std::int64_t most = channels <= 128 ? 48 : 96;
  const bool few = all * cut.across < least_tiles * threads;
  cut.parts = few ? std::min(threads, bound.panels) : 1;
  cut.beside = (cut.across + most - 1) / most;
  cut.columns = cut.beside == 0 ? 0 : (cut.across + cut.beside - 1) / cut.beside;
  if (cut.columns > 0) cut.beside = (cut.across + cut.columns - 1) / cut.columns;
  const std::int64_t fit = cut.columns == 0 ? 1 : std::max<std::int64_t>(1, most / cut.columns);
  std::int64_t stacks = (all + fit - 1) / fit;
  if (!few) stacks = std::min(all, round_up(stacks, threads));
  cut.rows = stacks == 0 ? 0 : (all + stacks - 1) / stacks;
  cut.pieces = cut.rows == 0 ? 0 : (all + cut.rows - 1) / cut.rows * cut.beside;
  return cut;
}

}  // namespace conv_int8_winograd_kernel
}  // namespace hone
#endif

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

using namespace conv_int8_winograd_kernel;
constexpr std::int64_t lanes = int32_lanes;

// B^T of six numbers.
template <typename V>
HWY_INLINE void transform_codes(const V* x, V* to, int step) {
  const V p = hn::Sub(x[4], x[2]), q = hn::Sub(x[3], x[1]);
  const V p2 = hn::Add(p, p), q2 = hn::Add(q, q);
  const auto thrice = [](V v) HWY_ATTR { return hn::Add(v, hn::Add(v, v)); };
  const V first = hn::Add(hn::Sub(x[0], x[2]), p), last = hn::Sub(hn::Sub(x[5], x[3]), q);
  to[0] = hn::Sub(hn::Add(first, first), hn::Add(q2, q));
  to[step] = hn::Sub(hn::Sub(p2, q), thrice(hn::Add(x[1], x[2])));
  to[2 * step] = hn::Add(hn::Sub(p2, q2), thrice(hn::Sub(x[2], x[3])));
  to[3 * step] = hn::Add(p2, q);
  to[4 * step] = hn::Sub(p, q2);
  to[5 * step] = hn::Sub(hn::Add(last, last), hn::Add(p2, p));
}

// 30 A^T of six numbers.
HWY_INLINE void transform_sums(const Vec32* m, Vec32* to, int step) {
  const Vec32 a = hn::Add(m[1], m[2]), b = hn::Sub(m[1], m[2]);
  const Vec32 m3 = hn::Add(m[3], m[3]), m4 = hn::Add(m[4], m[4]);
  const Vec32 c = hn::Add(m[3], m4), e = hn::Sub(m3, m[4]);
  to[0] = hn::Sub(hn::Add(hn::Add(m[0], a), m[3]), hn::ShiftLeft<2>(m4));
  to[step] = hn::Add(b, hn::Add(c, c));
  to[2 * step] = hn::Add(a, hn::Add(e, e));
  to[3 * step] = hn::Add(hn::Add(b, m[5]), hn::Add(m[4], hn::ShiftLeft<2>(m3)));
}

// B^T x B of one tile's codes at places `from` (null outside), less their zero; element e from
// `to` + e * `step` on.
template <typename D>
HWY_INLINE void transform_tile(D d, const std::uint8_t* const* from, std::int64_t channels,
                               std::int32_t zero, std::int16_t* to, std::int64_t step) {
  const hn::Rebind<std::uint8_t, D> bytes;
  using V = hn::Vec<D>;
  const auto width = static_cast<std::int64_t>(hn::Lanes(d));
  const V less = hn::Set(d, static_cast<std::int16_t>(zero));
  for (std::int64_t c = 0; c < channels; c += width) {
    // (The last vector begins where it ends with the channels.)
    const std::int64_t at = std::min(c, channels - width);
    V rows[tile_elements];
    for (int k = 0; k < tile_in; ++k) {
      V column[tile_in];
      HONE_UNROLL for (int r = 0; r < tile_in; ++r) {
        const std::uint8_t* place = from[r * tile_in + k];
        column[r] = place == nullptr
                        ? hn::Zero(d)
                        : hn::Sub(hn::PromoteTo(d, hn::LoadU(bytes, place + at)), less);
      }
      transform_codes(column, rows + k, tile_in);
    }
    for (int r = 0; r < tile_in; ++r) {
      V row[tile_in];
      transform_codes(rows + r * tile_in, row, 1);
      HONE_UNROLL for (int k = 0; k < tile_in; ++k)
          hn::StoreU(row[k], d, to + (r * tile_in + k) * step + at);
    }
  }
}

// The tiles of a piece and where they are kept meanwhile.
struct TilePiece {
  const KernelCall* call;
  const CodePlanes* planes;
  Filters filters;
  std::int64_t down;             // tiles of an image
  std::int64_t first_row, rows;  // of tiles, in all images
  std::int64_t first_column, columns;
  std::int64_t first_panel, end_panel;
  std::int16_t* in;  // [element][tile][padded], step_in numbers an element
  std::int64_t step_in;
  std::int32_t* out;  // [element][tile][panels * 16], step_out an element
  std::int64_t step_out;
  float* scratch;  // [4 * rows][wide][filters], where y itself is not given

  const BoundConvInt8& bound() const { return *static_cast<const BoundConvInt8*>(call->bound); }
  // Places of y beside each other.
  std::int64_t wide() const {
    return std::min(columns * tile_out, planes->out_width - first_column * tile_out);
  }
};

// Rows of y that a row of tiles gives.
struct RowsOfY {
  std::int64_t image, h, height;  // the first; how many
  std::int64_t place;             // of the piece's first column
  float* y;                       // of that place
  std::int64_t step;              // numbers from row to row
};
RowsOfY rows_of_y(const TilePiece& piece, std::int64_t i) {
  const std::int64_t row = piece.first_row + i, filters = piece.bound().conv.filters;
  const CodePlanes& planes = *piece.planes;
  RowsOfY made{};
  made.image = row / piece.down;
  made.h = row % piece.down * tile_out;
  made.height = std::min<std::int64_t>(tile_out, planes.out_height - made.h);
  made.place =
      (made.image * planes.out_height + made.h) * planes.out_width + piece.first_column * tile_out;
  const bool values = piece.bound().given.values;
  made.step = (values ? planes.out_width : piece.wide()) * filters;
  made.y = values ? piece.call->out(0).as() + made.place * filters
                  : piece.scratch + i * tile_out * made.step;
  return made;
}

inline constexpr int tile_rows = 6;  // tiles that meet filters together

void transform_in(const TilePiece& piece) {
  const ConvInt8& conv = piece.bound().conv;
  const CodePlanes& planes = *piece.planes;
  const bool whole = conv.padded >= static_cast<std::int64_t>(hn::Lanes(I16()));
  for (std::int64_t i = 0; i < piece.rows; ++i) {
    const RowsOfY rows = rows_of_y(piece, i);
    for (std::int64_t j = 0; j < piece.columns; ++j) {
      const std::int64_t w = (piece.first_column + j) * tile_out;
      const std::uint8_t* from[tile_elements];
      for (int e = 0; e < tile_elements; ++e) {
        const std::int64_t r = rows.h + e / tile_in, k = w + e % tile_in;
        const bool inside = r < planes.padded_height && k < planes.padded_width;
        const std::int64_t place =
            (rows.image * planes.padded_height + r) * planes.padded_width + k;
        from[e] = inside ? planes.codes + place * conv.padded : nullptr;
      }
      std::int16_t* to = piece.in + (i * piece.columns + j) * conv.padded;
      if (whole)
        transform_tile(I16(), from, conv.padded, conv.zero, to, piece.step_in);
      else
        transform_tile(hn::CappedTag<std::int16_t, least_channels>(), from, conv.padded, conv.zero,
                       to, piece.step_in);
    }
  }
}

template <int vectors>
void multiply_tiles(const TilePiece& piece, int element, std::int64_t first) {
  const BoundConvInt8& bound = piece.bound();
  const std::int64_t channels = bound.conv.padded, width = bound.panels * int8_panel;
  const std::int64_t tiles = piece.rows * piece.columns;
  const std::int16_t* w[vectors];
  for (int j = 0; j < vectors; ++j) {
    const std::int64_t o = first + j * lanes;
    w[j] = piece.filters.codes + (element * bound.panels + o / int8_panel) * int8_panel * channels +
           o % int8_panel * 2;
  }
  const std::int16_t* in = piece.in + element * piece.step_in;
  std::int32_t* out = piece.out + element * piece.step_out + first;
  for (std::int64_t t = 0; t < tiles; t += tile_rows) {
    const std::int16_t* x[tile_rows];
    for (int r = 0; r < tile_rows; ++r) x[r] = in + std::min(t + r, tiles - 1) * channels;
    multiply_pairs<tile_rows, vectors>(x, PairsTogether(), channels / 2, w, out + t * width, width);
  }
}

void finish_tile(const TilePiece& piece, const RowsOfY& to, std::int64_t i, std::int64_t j) {
  const F32 d;
  const I32 di;
  const KernelCall& call = *piece.call;
  const BoundConvInt8& bound = piece.bound();
  const std::int64_t filters = bound.conv.filters, width = bound.panels * int8_panel;
  const std::int64_t across = piece.planes->out_width;
  const std::int64_t wide = std::min<std::int64_t>(tile_out, piece.wide() - j * tile_out);
  const std::int32_t* from = piece.out + (i * piece.columns + j) * width;
  const float* add = call.has(4) ? call.in(4).as() + (to.place + j * tile_out) * filters : nullptr;
  float* y = to.y + j * tile_out * filters;
  const Vec32 inverse = hn::Set(di, static_cast<std::int32_t>(2271560481u));  // of 225
  const VecF high = hn::Set(d, bound.high);
  const std::int64_t end = std::min(filters, piece.end_panel * int8_panel);
  for (std::int64_t o = piece.first_panel * int8_panel; o < end; o += lanes) {
    const PartialVector part(end - o);
    Vec32 rows[tile_out * tile_in];
    for (int k = 0; k < tile_in; ++k) {
      Vec32 column[tile_in];
      HONE_UNROLL for (int r = 0; r < tile_in; ++r) column[r] =
          hn::LoadU(di, from + (r * tile_in + k) * piece.step_out + o);
      transform_sums(column, rows + k, tile_in);
    }
    const VecF scale = hn::LoadU(d, piece.filters.scales + o);
    const VecF bias = call.has(3) ? part.load(call.in(3).as() + o) : hn::Zero(d);
    for (std::int64_t r = 0; r < to.height; ++r) {
      Vec32 sums[tile_out];
      transform_sums(rows + r * tile_in, sums, 1);
      HONE_UNROLL for (int k = 0; k < tile_out; ++k) {
        if (k >= wide) break;
        const Vec32 whole = hn::ShiftRight<2>(hn::Mul(sums[k], inverse));
        VecF v = hn::Mul(hn::ConvertTo(d, whole), scale);
        if (call.has(3)) v = hn::Add(v, bias);
        if (add != nullptr) v = hn::Add(v, part.load(add + (r * across + k) * filters + o));
        if (bound.relu) v = min_or_second(high, max_or_second(hn::Zero(d), v));
        part.store(v, y + r * to.step + k * filters + o);
      }
    }
  }
}

void run_piece(const TilePiece& piece) {
  const BoundConvInt8& bound = piece.bound();
  const GivenCodes& given = bound.given;
  const std::int64_t filters = bound.conv.filters, wide = piece.wide();
  transform_in(piece);
  const std::int64_t first = piece.first_panel * int8_panel, end = piece.end_panel * int8_panel;
  for (int element = 0; element < tile_elements; ++element) {
    std::int64_t o = first;
    for (; o + 2 * lanes <= end; o += 2 * lanes) multiply_tiles<2>(piece, element, o);
    if (o < end) multiply_tiles<1>(piece, element, o);
  }
  for (std::int64_t i = 0; i < piece.rows; ++i) {
    const RowsOfY rows = rows_of_y(piece, i);
    for (std::int64_t j = 0; j < piece.columns; ++j) finish_tile(piece, rows, i, j);
    if (given.quantizer == nullptr) continue;
    const std::int64_t columns = code_columns(filters);
    auto* codes = piece.call->out(given.values ? 1 : 0).as<std::uint8_t>() + rows.place * columns;
    // Whole rows of y lie after each other.
    const bool whole = wide == piece.planes->out_width;
    const std::int64_t count = whole ? rows.height * wide : wide;
    for (std::int64_t r = 0; r < (whole ? 1 : rows.height); ++r)
      give_codes(given, filters, rows.y + r * rows.step, count, first, std::min(filters, end),
                 codes + r * piece.planes->out_width * columns);
  }
}

void run_conv_int8_winograd(const KernelCall& call) {
  const auto& bound = *static_cast<const BoundConvInt8*>(call.bound);
  // Kept from call to call, of all convolutions.
  static thread_local CodePlanes kept;
  CodePlanes& planes = kept;
  encode_planes(call, planes);
  const Cut cut = cut_tiles(bound, planes, thread_count());
  const std::int64_t tiles = round_up(cut.rows * cut.columns, tile_rows);
  // (Elements that lie a power of two apart would share the lines of a cache.)
  const std::int64_t step_in = tiles * bound.conv.padded + 32;
  const std::int64_t step_out = tiles * bound.panels * int8_panel + 16;
  const std::int64_t numbers =
      bound.given.values ? 0 : cut.rows * cut.columns * tile_out * tile_out * bound.conv.filters;
  const auto room = [](auto& vector, std::int64_t count) {
    vector.resize(std::max(vector.size(), static_cast<std::size_t>(count)));
    return vector.data();
  };
  parallel_items(cut.pieces * cut.parts, [&](std::int64_t item, int) {
    static thread_local std::vector<std::int16_t> in;
    static thread_local std::vector<std::int32_t> out;
    static thread_local std::vector<float> scratch;
    const std::int64_t part = item % cut.parts, own = item / cut.parts;
    TilePiece piece{};
    piece.call = &call;
    piece.planes = &planes;
    piece.filters = filters_of(bound, call.workspace);
    piece.down = cut.down;
    piece.first_row = own / cut.beside * cut.rows;
    piece.rows = std::min(cut.rows, planes.images * cut.down - piece.first_row);
    piece.first_column = own % cut.beside * cut.columns;
    piece.columns = std::min(cut.columns, cut.across - piece.first_column);
    piece.first_panel = bound.panels * part / cut.parts;
    piece.end_panel = bound.panels * (part + 1) / cut.parts;
    piece.in = room(in, tile_elements * step_in);
    piece.step_in = step_in;
    piece.out = room(out, tile_elements * step_out);
    piece.step_out = step_out;
    piece.scratch = room(scratch, numbers);
    run_piece(piece);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
namespace conv_int8_winograd_kernel {

HWY_EXPORT(run_conv_int8_winograd);

std::string refuse(const KernelQuery& query) {
  const auto bound = std::static_pointer_cast<const BoundConvInt8>(bind_node_conv_int8(query));
  const ConvInt8& conv = bound->conv;
  const Window& window = bound->window;
  if (conv.kernel[0] != 3 || conv.kernel[1] != 3) return "its kernel is not 3 x 3";
  for (std::size_t d = 0; d < 2; ++d)
    if (window.strides[d] != 1 || window.dilations[d] != 1) return "its steps are not 1";
  if (conv.blocks() != 1) return "parts of a window have scales of their own";
  if (!conv.data_layout.fixed) return "each place has a scale of its own";
  if (conv.channels < least_channels || conv.filters < 16) return "it has few channels";
  if (conv.columns() > most_codes) return "sums of so many channels might not be found again";
  const Shape y = query.output_shape(0);
  const std::int64_t tiles =
      y[0] * ((y[1] + tile_out - 1) / tile_out) * ((y[2] + tile_out - 1) / tile_out);
  const std::int64_t shares = std::min<std::int64_t>(query.threads, bound->panels);
  return tiles * shares < least_tiles * query.threads ? "there are few tiles" : "";
}

std::size_t workspace(const KernelQuery& query) {
  const auto bound = std::static_pointer_cast<const BoundConvInt8>(bind_node_conv_int8(query));
  return static_cast<std::size_t>(code_count(*bound)) * sizeof(std::int16_t) +
         static_cast<std::size_t>(bound->panels * int8_panel) * sizeof(float);
}

// G of three numbers, of the filters of a panel.
using PanelNumbers = std::array<std::int16_t, int8_panel>;
void transform_filters(const PanelNumbers& g0, const PanelNumbers& g1, const PanelNumbers& g2,
                       PanelNumbers* to, int step) {
  const auto whole = [](int number) { return static_cast<std::int16_t>(number); };
  for (std::size_t j = 0; j < int8_panel; ++j) {
    to[0][j] = whole(15 * g0[j]);
    to[step][j] = whole(-5 * (g0[j] + g1[j] + g2[j]));
    to[2 * step][j] = whole(5 * (g0[j] - g1[j] + g2[j]));
    to[3 * step][j] = whole(g0[j] + 2 * g1[j] + 4 * g2[j]);
    to[4 * step][j] = whole(4 * g0[j] - 2 * g1[j] + g2[j]);
    to[5 * step][j] = whole(15 * g2[j]);
  }
}

void begin(const KernelCall& call) {
  const auto& bound = *static_cast<const BoundConvInt8*>(call.bound);
  const ConvInt8& conv = bound.conv;
  const PackedTensor packed = bound.packed.view(call.in(1), call.has(2) ? &call.in(2) : nullptr);
  const Filters to = filters_of(bound, call.workspace);
  const std::int64_t columns = conv.columns();
  std::vector<std::int8_t> codes(static_cast<std::size_t>(int8_panel * columns));
  std::vector<float> scales(static_cast<std::size_t>(int8_panel * conv.weight_scales()));
  for (std::int64_t p = bound.panels * call.thread / call.threads;
       p < bound.panels * (call.thread + 1) / call.threads; ++p) {
    const std::int64_t first = p * int8_panel, count = std::min(int8_panel, conv.filters - first);
    // (Of the last panel.)
    std::fill(codes.begin() + count * columns, codes.end(), std::int8_t{0});
    filter_codes(conv, packed, first, count, codes.data(), scales.data());
    for (std::int64_t j = 0; j < int8_panel; ++j)
      to.scales[first + j] = j < count ? filter_scale(conv, scales.data(), j, 0) : 0.0f;
    for (std::int64_t c = 0; c < conv.padded; ++c) {
      PanelNumbers w[9], rows[18], u[tile_elements];
      for (std::int64_t t = 0; t < 9; ++t)
        for (std::int64_t j = 0; j < int8_panel; ++j)
          w[t][static_cast<std::size_t>(j)] =
              codes[static_cast<std::size_t>(j * columns + t * conv.padded + c)];
      for (int k = 0; k < 3; ++k) transform_filters(w[k], w[3 + k], w[6 + k], rows + k, 3);
      for (int r = 0; r < tile_in; ++r)
        transform_filters(rows[3 * r], rows[3 * r + 1], rows[3 * r + 2], u + tile_in * r, 1);
      for (std::int64_t e = 0; e < tile_elements; ++e) {
        std::int16_t* pair =
            to.codes + ((e * bound.panels + p) * conv.padded + c / 2 * 2) * int8_panel;
        for (std::int64_t j = 0; j < int8_panel; ++j)
          pair[2 * j + c % 2] = u[e][static_cast<std::size_t>(j)];
      }
    }
  }
}

}  // namespace conv_int8_winograd_kernel

Kernel cpu_kernel_conv_int8_winograd() {
  using namespace conv_int8_winograd_kernel;
  Kernel kernel{{"cpu.conv_int8_winograd", "tiles of 4 x 4 places: 36 16-bit products, not 144"},
                "conv_int8",
                RowRule::whole,
                15};
  kernel.refuse = refuse;
  kernel.bind = bind_node_conv_int8;
  kernel.workspace = workspace;
  kernel.begin = begin;
  kernel.begin_once = true;
  kernel.begin_end = 3;
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_conv_int8_winograd)(call); };
  return kernel;
}

}  // namespace hone
#endif
