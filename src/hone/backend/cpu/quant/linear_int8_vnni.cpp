// linear_int8 with AVX-512 VNNI: four products of bytes and their sum a lane and instruction.
#include "hone/backend/cpu/detail/int8_product.hpp"
#include "hone/backend/cpu/detail/linear_int8_avx512.hpp"

namespace hone {
namespace {
namespace linear_int8_vnni_kernel {

#ifdef HONE_VNNI

// Rows x Panels outputs whose row has one scale.
template <int Rows, int Panels>
HONE_VNNI_TARGET void whole_rows(const Int8Rows& pass, std::int64_t row, std::int64_t first) {
  const BoundInt8& bound = *pass.bound;
  const std::int64_t columns = bound.padded_columns;
  __m512i sums[Rows][Panels];
  HONE_UNROLL for (int r = 0; r < Rows; ++r) {
    const __m512i zero = pass.minus_zero(row + r);
    HONE_UNROLL for (int p = 0; p < Panels; ++p) sums[r][p] =
        _mm512_mullo_epi32(zero, _mm512_load_si512(pass.w.sums + first + p * int8_panel));
  }
  add_products(pass.x + row * columns, columns, pass.w.codes + first * columns,
               int8_panel * columns, columns, sums);
  HONE_UNROLL for (int r = 0; r < Rows; ++r) {
    const std::int32_t row_sum =
        bound.product.weight_layout.has_zero ? pass.row_sum(row + r) : std::int32_t{0};
    HONE_UNROLL for (int p = 0; p < Panels; ++p)
        give_outputs(pass, row + r, first + p * int8_panel, sums[r][p], row_sum);
  }
}

// The same where blocks of a row have scales of their own.
template <int Rows, int Panels>
HONE_VNNI_TARGET void blocked_rows(const Int8Rows& pass, std::int64_t row, std::int64_t first) {
  const BoundInt8& bound = *pass.bound;
  const Int8Product& product = bound.product;
  const std::int64_t columns = bound.padded_columns;
  const std::int64_t n = bound.padded_outputs;
  const bool weight_zero = product.weight_layout.has_zero;
  __m512 totals[Rows][Panels];
  HONE_UNROLL for (int r = 0; r < Rows; ++r) HONE_UNROLL for (int p = 0; p < Panels; ++p)
      totals[r][p] = _mm512_setzero_ps();
  const std::int8_t* codes = pass.w.codes + first * columns;
  for (std::int64_t b = 0; b < product.blocks(); ++b) {
    const std::int64_t from = b * product.block;
    const std::int64_t to = std::min(columns, from + product.block);
    __m512i sums[Rows][Panels];
    HONE_UNROLL for (int r = 0; r < Rows; ++r) {
      const __m512i zero = pass.minus_zero(row + r);
      HONE_UNROLL for (int p = 0; p < Panels; ++p) sums[r][p] =
          _mm512_mullo_epi32(zero, _mm512_load_si512(pass.w.sums + b * n + first + p * int8_panel));
    }
    add_products(pass.x + row * columns + from, columns, codes + from * int8_panel,
                 int8_panel * columns, to - from, sums);
    const std::int64_t real = std::min(to, product.columns) - from;
    HONE_UNROLL for (int r = 0; r < Rows; ++r) {
      const float* scales = pass.scales + (row + r) * pass.stride;
      const __m512 scale = _mm512_set1_ps(scales[product.data_block(b)]);
      std::int32_t row_sum = 0;
      if (weight_zero) {
        for (std::int64_t k = from; k < from + real; ++k)
          row_sum += pass.x[(row + r) * columns + k];
        row_sum -=
            static_cast<std::int32_t>(real) * static_cast<std::int32_t>(scales[pass.stride - 1]);
      }
      HONE_UNROLL for (int p = 0; p < Panels; ++p) {
        const std::int64_t j = first + p * int8_panel;
        __m512i sum = sums[r][p];
        if (weight_zero)
          sum = _mm512_sub_epi32(sum, _mm512_mullo_epi32(_mm512_load_si512(pass.w.zeros + j),
                                                         _mm512_set1_epi32(row_sum)));
        const __m512 factor = _mm512_mul_ps(scale, _mm512_load_ps(pass.w.scales + b * n + j));
        totals[r][p] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), factor, totals[r][p]);
      }
    }
  }
  HONE_UNROLL for (int r = 0; r < Rows; ++r) {
    HONE_UNROLL for (int p = 0; p < Panels; ++p) {
      const std::int64_t j = first + p * int8_panel;
      if (j >= bound.outputs) break;
      const __mmask16 mask = lanes_left(bound.outputs - j);
      const __m512 bias =
          pass.bias != nullptr ? _mm512_maskz_loadu_ps(mask, pass.bias + j) : _mm512_setzero_ps();
      _mm512_mask_storeu_ps(pass.y + (row + r) * bound.outputs + j, mask,
                            _mm512_add_ps(totals[r][p], bias));
    }
  }
}

void run(const KernelCall& call) {
  const Int8Rows pass(call);
  const BoundInt8& bound = *pass.bound;
  const std::int64_t rows = call.in(0).rows();
  // As many rows at once as leave the sums in registers.
  if (bound.product.blocks() == 1)
    for_tiles<6>(rows, bound.padded_outputs,
                 [&]<int Rows, int Panels>(std::int64_t row, std::int64_t first) {
                   whole_rows<Rows, Panels>(pass, row, first);
                 });
  else
    for_tiles<3>(rows, bound.padded_outputs,
                 [&]<int Rows, int Panels>(std::int64_t row, std::int64_t first) {
                   blocked_rows<Rows, Panels>(pass, row, first);
                 });
}

#else
void run(const KernelCall&) {}
#endif

}  // namespace linear_int8_vnni_kernel
}  // namespace

Kernel cpu_kernel_linear_int8_vnni() {
  using namespace linear_int8_vnni_kernel;
  Kernel kernel{
      {"cpu.linear_int8_vnni", "sums of whole numbers by AVX-512 VNNI, 6 rows x 64 outputs"},
      "linear_int8",
      RowRule::rows,
      20};
  kernel.missing = missing_vnni;
  kernel.bind = bind_node_int8;
  kernel.workspace = int8_workspace;
  kernel.begin = begin_int8;
  kernel.begin_once = true;
  kernel.begin_inputs = 2;
  kernel.run = run;
  return kernel;
}

}  // namespace hone
