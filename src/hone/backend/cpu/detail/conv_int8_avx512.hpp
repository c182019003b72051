// What the kernels of conv_int8 for AVX-512 share: from sums of whole numbers to y.
#pragma once

#include "hone/backend/cpu/detail/conv_int8.hpp"
#include "hone/backend/cpu/detail/int8_product.hpp"
#include "hone/backend/cpu/detail/vnni.hpp"

namespace hone {

#ifdef HONE_VNNI

using ConvBytes = ConvInt8Piece<std::int8_t>;

// The sums of filters [j, j + 16) at a place of the piece times their scales, where all of a window
// shares them.
HONE_VNNI_TARGET inline __m512 scaled_sums(const ConvBytes& piece, std::int64_t place,
                                           std::int64_t j, __m512i sums) {
  __m512 scale = _mm512_load_ps(piece.filters.scales + j);
  // (A window of one tap and one scale.)
  if (!piece.bound->conv.data_layout.fixed)
    scale = _mm512_mul_ps(
        scale, _mm512_set1_ps(piece.planes->scales[static_cast<std::size_t>(piece.places[place])]));
  return _mm512_mul_ps(_mm512_cvtepi32_ps(sums), scale);
}

// Filters [j, j + 16) at a place of the piece, from their products: the bias, what is added, the
// bounds.
HONE_VNNI_TARGET inline void give_filters(const ConvBytes& piece, std::int64_t place,
                                          std::int64_t j, __m512 v) {
  const BoundConvInt8& bound = *piece.bound;
  const std::int64_t left = bound.conv.filters - j;
  if (left <= 0) return;
  const __mmask16 mask = lanes_left(left);
  const std::int64_t at = place * bound.conv.filters + j;
  if (piece.bias != nullptr) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(mask, piece.bias + j));
  if (piece.add != nullptr) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(mask, piece.add + at));
  // NaN stays NaN.
  if (bound.relu)
    v = _mm512_min_ps(_mm512_set1_ps(bound.high), _mm512_max_ps(_mm512_setzero_ps(), v));
  _mm512_mask_storeu_ps(piece.y + at, mask, v);
}

#endif

}  // namespace hone
