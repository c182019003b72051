// What the kernels of dense_attention by AMX and of its gradient share.
#pragma once

#include "hone/backend/cpu/detail/amx_parts.hpp"
#include "hone/backend/cpu/detail/dense_attention.hpp"
#include "hone/core/round_up.hpp"

namespace hone {

// Why AMX cannot take the heads of q, k and v, inputs `first` to `first` + 2.
inline std::string refuse_amx_attention(const KernelQuery& query, std::size_t first) {
  for (const std::size_t input : {first, first + 2}) {
    const Dim& dim = query.graph.type(query.node.inputs[input]).dims[3];
    const std::int64_t size = dim.is_fixed() ? dim.offset : 0;
    if (size == 0 || size % amx_group != 0 || size > 256) return "heads do not fill tiles";
  }
  return "";
}

// Hands out memory in whole lines.
struct AmxMemory {
  std::size_t bytes = 0;

  std::size_t take(std::int64_t count) {
    const std::size_t begin = bytes;
    bytes += round_up(static_cast<std::size_t>(count), 64);
    return begin;
  }
  std::size_t floats(std::int64_t count) { return take(count * 4); }
  std::size_t parts(std::int64_t numbers, int parts) { return take(numbers * parts * 2); }
};

#ifdef HONE_AMX

// Where row `row` of a head begins.
inline void* head_row(void* data, DType type, const HeadStrides& strides, std::int64_t batch,
                      std::int64_t head, std::int64_t row) {
  return at_element(data, batch * strides.batch + head * strides.head + row * strides.token, type);
}

// Rows [first, first + rows) of a head.
inline AmxMatrix head_rows(void* data, DType type, const HeadStrides& strides, std::int64_t batch,
                           std::int64_t head, std::int64_t first, std::int64_t rows,
                           std::int64_t columns) {
  return {head_row(data, type, strides, batch, head, first), strides.token, rows, columns};
}

// What a mask adds to the scores of `count` (at most sixteen are taken) keys from `offset` on, in
// powers of two.
HONE_AMX_BF16_TARGET inline __m512 mask_sixteen(const DenseMask& mask, std::int64_t offset,
                                                std::int64_t count) {
  constexpr float minus_infinity = -std::numeric_limits<float>::infinity();
  const __mmask16 inside = lanes_left(count);
  __m512 added;
  if (mask.strides.key == 0) {
    added = _mm512_set1_ps(mask.number_at(offset));
  } else if (mask.dtype == DType::boolean) {
    const __m128i keep =
        _mm_maskz_loadu_epi8(inside, static_cast<const std::uint8_t*>(mask.data) + offset);
    return _mm512_mask_blend_ps(_mm_test_epi8_mask(keep, keep), _mm512_set1_ps(minus_infinity),
                                _mm512_setzero_ps());
  } else if (mask.dtype == DType::f32) {
    added = _mm512_maskz_loadu_ps(inside, static_cast<const float*>(mask.data) + offset);
  } else {
    const __m256i halves =
        _mm256_maskz_loadu_epi16(inside, static_cast<const std::uint16_t*>(mask.data) + offset);
    added = mask.dtype == DType::f16 ? _mm512_cvtph_ps(halves) : widen_bf16(halves);
  }
  const __mmask16 hides = _mm512_cmp_ps_mask(added, _mm512_set1_ps(minus_infinity), _CMP_EQ_OQ);
  // (The second of both where one is NaN.)
  const __m512 scaled =
      _mm512_mul_ps(_mm512_max_ps(_mm512_set1_ps(lowest_mask), added), _mm512_set1_ps(1.44269504f));
  return _mm512_mask_mov_ps(scaled, hides, added);
}

#endif

}  // namespace hone
