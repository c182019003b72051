// conv_int8 with AVX-512 VNNI: windows of places meet panels of 64 filters.
#include "hone/backend/cpu/detail/conv_int8_avx512.hpp"

namespace hone {
namespace {
namespace conv_int8_vnni_kernel {

#ifdef HONE_VNNI

// sums[r][p] += the products of `columns` codes (a multiple of 4) at x[r] and of panel p of w.
template <int Rows, int Panels>
HONE_VNNI_TARGET inline void add_run(const std::uint8_t* const (&x)[Rows], std::int64_t offset,
                                     const std::int8_t* w, std::int64_t panel, std::int64_t columns,
                                     __m512i (&sums)[Rows][Panels]) {
  const std::int64_t end = offset + columns;
  for (std::int64_t k = offset; k != end; k += 4, w += 64) {
    __m512i codes[Panels];
    HONE_UNROLL for (int p = 0; p < Panels; ++p) codes[p] = _mm512_load_si512(w + p * panel);
    HONE_UNROLL for (int r = 0; r < Rows; ++r) {
      const __m512i four = four_codes(x[r] + k);
      HONE_UNROLL for (int p = 0; p < Panels; ++p) {
        // Of large tiles GCC 12 copies and spills the sums around its built-in function.
        if constexpr (Rows * Panels > 12)
          asm("vpdpbusd %2, %1, %0" : "+v"(sums[r][p]) : "v"(four), "v"(codes[p]));
        else
          sums[r][p] = _mm512_dpbusd_epi32(sums[r][p], four, codes[p]);
      }
    }
  }
}

template <int Rows, int Panels>
HONE_VNNI_TARGET void tile(const ConvBytes& piece, std::int64_t row, std::int64_t first) {
  const BoundConvInt8& bound = *piece.bound;
  const ConvInt8& conv = bound.conv;
  const std::int64_t columns = conv.columns(), n = bound.panels * int8_panel;
  const std::int64_t panel = int8_panel * columns, blocks = conv.blocks();
  const std::uint8_t* x[Rows];
  HONE_UNROLL for (int r = 0; r < Rows; ++r) x[r] =
      piece.planes->codes + piece.places[row + r] * conv.padded;
  const std::int8_t* w = piece.filters.codes + first * columns;
  __m512 totals[Rows][Panels];
  if (blocks == 1) {
    __m512i sums[Rows][Panels];
    HONE_UNROLL for (int p = 0; p < Panels; ++p) {
      const __m512i zero = _mm512_load_si512(piece.filters.sums + first + p * int8_panel);
      HONE_UNROLL for (int r = 0; r < Rows; ++r) sums[r][p] = zero;
    }
    for (const std::int64_t offset : piece.windows->runs) {
      add_run(x, offset, w, panel, piece.windows->length, sums);
      w += piece.windows->length * int8_panel;
    }
    HONE_UNROLL for (int r = 0; r < Rows; ++r) HONE_UNROLL for (int p = 0; p < Panels; ++p)
        totals[r][p] = scaled_sums(piece, row + r, first + p * int8_panel, sums[r][p]);
  } else {
    HONE_UNROLL for (int r = 0; r < Rows; ++r) HONE_UNROLL for (int p = 0; p < Panels; ++p)
        totals[r][p] = _mm512_setzero_ps();
    for (std::int64_t b = 0; b < blocks; ++b) {
      const std::int64_t tap = piece.windows->taps[static_cast<std::size_t>(conv.tap_of(b))];
      __m512i sums[Rows][Panels];
      HONE_UNROLL for (int p = 0; p < Panels; ++p) {
        const __m512i zero = _mm512_load_si512(piece.filters.sums + b * n + first + p * int8_panel);
        HONE_UNROLL for (int r = 0; r < Rows; ++r) sums[r][p] = zero;
      }
      add_run(x, tap * conv.padded + b * conv.block % conv.padded, w + b * conv.block * int8_panel,
              panel, conv.block, sums);
      HONE_UNROLL for (int r = 0; r < Rows; ++r) {
        const float* scales = conv.data_layout.fixed
                                  ? nullptr
                                  : piece.planes->scales.data() +
                                        (piece.places[row + r] + tap) * conv.place_scales() +
                                        conv.place_scale(b);
        HONE_UNROLL for (int p = 0; p < Panels; ++p) {
          __m512 scale = _mm512_load_ps(piece.filters.scales + b * n + first + p * int8_panel);
          if (scales != nullptr) scale = _mm512_mul_ps(scale, _mm512_set1_ps(*scales));
          totals[r][p] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[r][p]), scale, totals[r][p]);
        }
      }
    }
  }
  HONE_UNROLL for (int r = 0; r < Rows; ++r) HONE_UNROLL for (int p = 0; p < Panels; ++p)
      give_filters(piece, row + r, first + p * int8_panel, totals[r][p]);
}

void run(const KernelCall& call) {
  const auto& bound = *static_cast<const BoundConvInt8*>(call.bound);
  // Kept from call to call, of all convolutions.
  static thread_local CodePlanes kept;
  CodePlanes& planes = kept;
  encode_planes(call, planes);
  for_conv_pieces<std::int8_t>(call, planes, 6, [&](const ConvBytes& piece) {
    const auto each = [&]<int Rows, int Panels>(std::int64_t row, std::int64_t column) {
      tile<Rows, Panels>(piece, row, piece.first_panel * int8_panel + column);
    };
    const std::int64_t columns = (piece.end_panel - piece.first_panel) * int8_panel;
    if (bound.conv.blocks() == 1)
      for_tiles<6>(piece.count, columns, each);
    else
      for_tiles<3>(piece.count, columns, each);
  });
}

#else
void run(const KernelCall&) {}
#endif

}  // namespace conv_int8_vnni_kernel
}  // namespace

Kernel cpu_kernel_conv_int8_vnni() {
  using namespace conv_int8_vnni_kernel;
  Kernel kernel{{"cpu.conv_int8_vnni", "windows of 6 places meet 64 filters, by AVX-512 VNNI"},
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
