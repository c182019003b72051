// conv_int8 with AVX-512 VNNI: windows in rows of codes meet panels of 64 filters.
#include "hone/backend/cpu/detail/conv_int8.hpp"
#include "hone/backend/cpu/detail/int8_product.hpp"
#include "hone/backend/cpu/detail/vnni.hpp"

namespace hone {
namespace {

#ifdef HONE_VNNI

// What the tiles of one piece share.
struct Piece {
  const BoundConvInt8* bound;
  ConvInt8Filters<std::int8_t> filters;
  const WindowRows* rows;
  const float *bias, *add;
  float* y;  // at the piece's first place
};

template <int Rows, int Panels>
HONE_VNNI_TARGET void tile(const Piece& piece, std::int64_t row, std::int64_t first) {
  const BoundConvInt8& bound = *piece.bound;
  const ConvInt8& conv = bound.conv;
  const std::int64_t columns = conv.columns(), n = bound.panels * int8_panel;
  const std::uint8_t* x = piece.rows->codes + row * columns;
  const std::int8_t* w = piece.filters.codes + first * columns;
  __m512 totals[Rows][Panels];
  HONE_UNROLL for (int p = 0; p < Panels; ++p) {
    const std::int64_t left = conv.filters - first - p * int8_panel;
    const __mmask16 mask = left >= int8_panel ? 0xFFFF
                           : left <= 0        ? 0
                                              : static_cast<__mmask16>((1u << left) - 1u);
    const __m512 bias = piece.bias != nullptr
                            ? _mm512_maskz_loadu_ps(mask, piece.bias + first + p * int8_panel)
                            : _mm512_setzero_ps();
    HONE_UNROLL for (int r = 0; r < Rows; ++r) totals[r][p] = bias;
  }
  for (std::int64_t b = 0; b < conv.blocks(); ++b) {
    __m512i sums[Rows][Panels];
    HONE_UNROLL for (int p = 0; p < Panels; ++p) {
      const __m512i zero = _mm512_load_si512(piece.filters.sums + b * n + first + p * int8_panel);
      HONE_UNROLL for (int r = 0; r < Rows; ++r) sums[r][p] = zero;
    }
    add_products(x + b * conv.block, columns, w + b * conv.block * int8_panel, int8_panel * columns,
                 conv.block, sums);
    HONE_UNROLL for (int r = 0; r < Rows; ++r) {
      HONE_UNROLL for (int p = 0; p < Panels; ++p) {
        __m512 scale = _mm512_load_ps(piece.filters.scales + b * n + first + p * int8_panel);
        if (piece.rows->scales != nullptr)
          scale = _mm512_mul_ps(scale,
                                _mm512_set1_ps(piece.rows->scales[(row + r) * conv.blocks() + b]));
        totals[r][p] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[r][p]), scale, totals[r][p]);
      }
    }
  }
  const __m512 zero = _mm512_setzero_ps(), high = _mm512_set1_ps(bound.high);
  HONE_UNROLL for (int r = 0; r < Rows; ++r) {
    HONE_UNROLL for (int p = 0; p < Panels; ++p) {
      const std::int64_t j = first + p * int8_panel, left = conv.filters - j;
      if (left <= 0) break;
      const __mmask16 mask =
          left >= int8_panel ? 0xFFFF : static_cast<__mmask16>((1u << left) - 1u);
      const std::int64_t at = (row + r) * conv.filters + j;
      __m512 v = totals[r][p];
      if (piece.add != nullptr) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(mask, piece.add + at));
      // NaN stays NaN.
      if (bound.relu) v = _mm512_min_ps(high, _mm512_max_ps(zero, v));
      _mm512_mask_storeu_ps(piece.y + at, mask, v);
    }
  }
}

void run(const KernelCall& call) {
  const auto& bound = *static_cast<const BoundConvInt8*>(call.bound);
  const auto filters = conv_int8_filters<std::int8_t>(bound, call.workspace);
  const ConvInt8Sizes sizes = conv_int8_sizes(call);
  // Kept from call to call, of all convolutions.
  static thread_local PlaceCodes kept;
  PlaceCodes& places = kept;
  encode_places(call, places);
  for_conv_pieces(
      sizes.places(), bound.conv.columns(), bound.panels, 6,
      [&](std::int64_t first, std::int64_t count, std::int64_t panel, std::int64_t end) {
        static thread_local WindowRows rows;
        gather_windows(bound, sizes, places, first, count, rows);
        const std::int64_t at = first * bound.conv.filters;
        const Piece piece{&bound,
                          filters,
                          &rows,
                          call.has(3) ? call.in(3).as() : nullptr,
                          call.has(4) ? call.in(4).as() + at : nullptr,
                          call.out(0).as() + at};
        const auto each = [&]<int Rows, int Panels>(std::int64_t row, std::int64_t column) {
          tile<Rows, Panels>(piece, row, panel * int8_panel + column);
        };
        const std::int64_t columns = (end - panel) * int8_panel;
        if (bound.conv.blocks() == 1)
          for_tiles<6>(count, columns, each);
        else
          for_tiles<3>(count, columns, each);
      });
}

#else
void run(const KernelCall&) {}
#endif

}  // namespace

Kernel cpu_kernel_conv_int8_vnni() {
  Kernel kernel{{"cpu.conv_int8_vnni", "rows of windows meet 64 filters, by AVX-512 VNNI"},
                "conv_int8",
                RowRule::whole,
                20};
  kernel.missing = missing_vnni;
  kernel.bind = bind_node_conv_int8;
  kernel.workspace = conv_int8_workspace<std::int8_t>;
  kernel.begin = begin_conv_int8<std::int8_t>;
  kernel.begin_once = true;
  kernel.begin_end = 3;
  kernel.run = run;
  return kernel;
}

}  // namespace hone
