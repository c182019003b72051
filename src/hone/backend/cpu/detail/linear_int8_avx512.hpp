// What the kernels of linear_int8 for AVX-512 share: from sums of whole numbers to outputs.
#pragma once

#include "hone/backend/cpu/detail/int8_product.hpp"
#include "hone/backend/cpu/detail/vnni.hpp"

namespace hone {

#ifdef HONE_VNNI

// What the tiles of one call share.
struct Int8Rows {
  const BoundInt8* bound;
  Int8Weights w;
  const std::uint8_t* x;
  const float* scales;
  std::int64_t stride;  // of the scales
  const float* bias;
  float* y;

  explicit Int8Rows(const KernelCall& call)
      : bound(static_cast<const BoundInt8*>(call.bound)),
        w(bound->weights(call.workspace)),
        x(call.in(0).as<std::uint8_t>()),
        scales(call.in(1).as()),
        stride(call.in(1).columns()),
        bias(call.has(4) ? call.in(4).as() : nullptr),
        y(call.out(0).as()) {}

  // What the codes of a row count from.
  std::int32_t zero(std::int64_t row) const {
    return static_cast<std::int32_t>(scales[row * stride + stride - 1]);
  }
  HONE_VNNI_TARGET __m512i minus_zero(std::int64_t row) const {
    return _mm512_set1_epi32(-zero(row));
  }
  // Of the codes of a row less their zero.
  std::int32_t row_sum(std::int64_t row) const {
    std::int32_t sum = 0;
    for (std::int64_t k = 0; k < bound->product.columns; ++k)
      sum += x[row * bound->padded_columns + k];
    return sum - static_cast<std::int32_t>(bound->product.columns) * zero(row);
  }
};

// Outputs [j, j + 16) of a row that has one scale, from its sums; row_sum: of Int8Rows, where the
// weights have zeros.
HONE_VNNI_TARGET inline void give_outputs(const Int8Rows& pass, std::int64_t row, std::int64_t j,
                                          __m512i sum, std::int32_t row_sum) {
  const BoundInt8& bound = *pass.bound;
  if (j >= bound.outputs) return;
  if (bound.product.weight_layout.has_zero)
    sum = _mm512_sub_epi32(
        sum, _mm512_mullo_epi32(_mm512_load_si512(pass.w.zeros + j), _mm512_set1_epi32(row_sum)));
  const __mmask16 mask = lanes_left(bound.outputs - j);
  const __m512 factor = _mm512_mul_ps(_mm512_set1_ps(pass.scales[row * pass.stride]),
                                      _mm512_load_ps(pass.w.scales + j));
  const __m512 bias =
      pass.bias != nullptr ? _mm512_maskz_loadu_ps(mask, pass.bias + j) : _mm512_setzero_ps();
  _mm512_mask_storeu_ps(pass.y + row * bound.outputs + j, mask,
                        _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), factor, bias));
}

#endif

}  // namespace hone
