// Products by AMX's tiles of bfloat16 of numbers that are sums of such parts: of float16 two, of
// float32 three, exactly. Of the products of two sums the smallest are left out: of four one, at
// most 2^-16 of the whole (float16), of nine three, at most 2^-21 together and mostly 2^-24
// (float32; Henry, Tang, Heinecke: arXiv 1904.06376). Sums are float32. Tiles take parts and
// products below 2^-126 for 0: numbers of float32 below 2^-110 lose digits. An infinity of float16
// or float32 gives NaN, also to queries of its block that do not see it: none is hidden.
#pragma once

#include "hone/backend/cpu/detail/amx.hpp"
#include "hone/core/dtype.hpp"

namespace hone {

constexpr int amx_parts(DType type) { return type == DType::f32 ? 3 : type == DType::f16 ? 2 : 1; }
// Numbers of a row that meet in one step of a tile, as sixteen pairs; bytes that they take.
inline constexpr std::int64_t amx_group = 32;
constexpr std::int64_t amx_group_bytes(int parts) { return std::int64_t{parts} * 64; }

#ifdef HONE_AMX

#define HONE_AMX_BF16_TARGET \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,amx-tile,amx-bf16")))

HONE_AMX_BF16_TARGET inline __m512 widen_bf16(__m256i numbers) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(numbers), 16));
}

// Sixteen neighbours from element `at` on, as float32.
template <DType Type>
HONE_AMX_BF16_TARGET inline __m512 sixteen(const void* data, std::int64_t at) {
  if constexpr (Type == DType::f32) return _mm512_loadu_ps(static_cast<const float*>(data) + at);
  const __m256i halves = _mm256_loadu_si256(
      reinterpret_cast<const __m256i*>(static_cast<const std::uint16_t*>(data) + at));
  if constexpr (Type == DType::f16)
    return _mm512_cvtph_ps(halves);
  else
    return widen_bf16(halves);
}

template <DType Type>
HONE_AMX_BF16_TARGET inline void store_sixteen(void* data, std::int64_t at, __m512 x) {
  if constexpr (Type == DType::f32) return _mm512_storeu_ps(static_cast<float*>(data) + at, x);
  std::uint16_t* const to = static_cast<std::uint16_t*>(data) + at;
  if constexpr (Type == DType::f16) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtps_ph(x, 0));
  } else {
    const __m256bh rounded = _mm512_cvtneps_pbh(x);
    std::memcpy(to, &rounded, sizeof rounded);
  }
}

// The parts of pairs (a[i], b[i]). Of two the first is rounded to the nearest, the last cut off:
// 2^-16 of float32, nothing of float16 or, in one part, bfloat16. Of three each is cut off, which
// leaves nothing of float32 and makes no infinity.
template <int Parts>
HONE_AMX_BF16_TARGET inline void split_pairs(__m512 a, __m512 b, __m512i (&part)[Parts]) {
  const __m512i high = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
  const auto join = [&](__m512i x, __m512i y) HONE_AMX_BF16_TARGET {
    // (y & high) | (x >> 16)
    return _mm512_ternarylogic_epi32(y, high, _mm512_srli_epi32(x, 16), 0xea);
  };
  if constexpr (Parts == 2) {
    const __m512i half = _mm512_set1_epi32(0x8000);
    const __m512i x = _mm512_add_epi32(_mm512_castps_si512(a), half);
    const __m512i y = _mm512_add_epi32(_mm512_castps_si512(b), half);
    part[0] = join(x, y);
    // (A NaN that becomes a number there is one here.)
    a = _mm512_sub_ps(a, _mm512_castsi512_ps(_mm512_and_si512(x, high)));
    b = _mm512_sub_ps(b, _mm512_castsi512_ps(_mm512_and_si512(y, high)));
  }
  if constexpr (Parts == 3) {
    const __m512 cut = _mm512_castsi512_ps(high);
    HONE_UNROLL for (int p = 0; p < 2; ++p) {
      part[p] = join(_mm512_castps_si512(a), _mm512_castps_si512(b));
      a = _mm512_sub_ps(a, _mm512_and_ps(a, cut));
      b = _mm512_sub_ps(b, _mm512_and_ps(b, cut));
    }
  }
  part[Parts - 1] = join(_mm512_castps_si512(a), _mm512_castps_si512(b));
}

// Pairs of two rows: (a[i], b[i]); a single part is rounded.
template <int Parts>
HONE_AMX_BF16_TARGET inline void pair_of_rows(__m512 a, __m512 b, __m512i (&part)[Parts]) {
  if constexpr (Parts == 1) {
    const auto round = [](__m512 x) HONE_AMX_BF16_TARGET {
      const __m256bh rounded = _mm512_cvtneps_pbh(x);
      __m256i bits;
      std::memcpy(&bits, &rounded, sizeof bits);
      return widen_bf16(bits);
    };
    a = round(a);
    b = round(b);
  }
  split_pairs(a, b, part);
}

// Pairs within a row of 32 numbers a, b. Which ones is for the type to say, `pair_step`: i and i +
// 16, or neighbours where an instruction rounds both.
template <int Parts>
HONE_AMX_BF16_TARGET inline void pair_neighbours(__m512 a, __m512 b, __m512i (&part)[Parts]) {
  if constexpr (Parts == 1) {
    const __m512bh rounded = _mm512_cvtne2ps_pbh(b, a);
    std::memcpy(&part[0], &rounded, sizeof rounded);
  } else {
    split_pairs(a, b, part);
  }
}
// Of pair i of 32 numbers in a row: its first, and how far the other is.
constexpr std::int64_t pair_first(int parts, std::int64_t i) { return parts == 1 ? 2 * i : i; }
constexpr std::int64_t pair_step(int parts) { return parts == 1 ? 1 : 16; }

// The 32 numbers of a row from element `at` on as pairs, as pair_neighbours makes them.
template <DType Type>
HONE_AMX_BF16_TARGET inline void load_pairs(const void* data, std::int64_t at,
                                            __m512i (&part)[amx_parts(Type)]) {
  if constexpr (Type == DType::bf16)
    part[0] = _mm512_loadu_si512(static_cast<const std::uint16_t*>(data) + at);
  else
    split_pairs(sixteen<Type>(data, at), sixteen<Type>(data, at + 16), part);
}

// The transpose of 16 x 16 pairs: first by twos and fours within quarters of vectors, then
// quarters.
HONE_AMX_BF16_TARGET inline void transpose_pairs(const __m512i (&row)[16], __m512i (&to)[16]) {
  __m512i two[16], four[16];
  HONE_UNROLL for (int i = 0; i < 16; i += 2) {
    two[i] = _mm512_unpacklo_epi32(row[i], row[i + 1]);
    two[i + 1] = _mm512_unpackhi_epi32(row[i], row[i + 1]);
  }
  HONE_UNROLL for (int i = 0; i < 16; i += 4) {
    four[i] = _mm512_unpacklo_epi64(two[i], two[i + 2]);
    four[i + 1] = _mm512_unpackhi_epi64(two[i], two[i + 2]);
    four[i + 2] = _mm512_unpacklo_epi64(two[i + 1], two[i + 3]);
    four[i + 3] = _mm512_unpackhi_epi64(two[i + 1], two[i + 3]);
  }
  HONE_UNROLL for (int i = 0; i < 4; ++i) {
    const __m512i even = _mm512_shuffle_i32x4(four[i], four[i + 4], 0x88),
                  odd = _mm512_shuffle_i32x4(four[i], four[i + 4], 0xdd),
                  more_even = _mm512_shuffle_i32x4(four[i + 8], four[i + 12], 0x88),
                  more_odd = _mm512_shuffle_i32x4(four[i + 8], four[i + 12], 0xdd);
    to[i] = _mm512_shuffle_i32x4(even, more_even, 0x88);
    to[i + 4] = _mm512_shuffle_i32x4(odd, more_odd, 0x88);
    to[i + 8] = _mm512_shuffle_i32x4(even, more_even, 0xdd);
    to[i + 12] = _mm512_shuffle_i32x4(odd, more_odd, 0xdd);
  }
}

// A matrix of [rows, columns] numbers of one type, rows `step` elements apart.
struct AmxMatrix {
  const void* data;
  std::int64_t step, rows, columns;  // columns: whole groups
};

// Left sides. Each packs [row][group][part][32]: rows up to `padded` are zeros.
template <DType Type>
HONE_AMX_BF16_TARGET void pack_left(const AmxMatrix& m, std::int64_t padded, void* to) {
  constexpr int parts = amx_parts(Type);
  auto* at = static_cast<__m512i*>(to);
  for (std::int64_t r = 0; r < padded; ++r)
    for (std::int64_t c = 0; c < m.columns; c += amx_group, at += parts) {
      __m512i part[parts];
      if (r < m.rows)
        load_pairs<Type>(m.data, r * m.step + c, part);
      else
        HONE_UNROLL for (__m512i& p : part) p = _mm512_setzero_si512();
      HONE_UNROLL for (int p = 0; p < parts; ++p) _mm512_store_si512(at + p, part[p]);
    }
}

// Right sides. Each packs panels of sixteen columns, [panel][group][part][16 pairs][16 columns].

// Of the transpose of m: panels of sixteen rows, up to `padded`.
template <DType Type>
HONE_AMX_BF16_TARGET void pack_right_transposed(const AmxMatrix& m, std::int64_t padded, void* to) {
  constexpr int parts = amx_parts(Type);
  auto* at = static_cast<__m512i*>(to);
  for (std::int64_t first = 0; first < padded; first += 16)
    for (std::int64_t c = 0; c < m.columns; c += amx_group) {
      __m512i row[parts][16];
      HONE_UNROLL_16 for (int r = 0; r < 16; ++r) {
        __m512i part[parts];
        if (first + r < m.rows)
          load_pairs<Type>(m.data, (first + r) * m.step + c, part);
        else
          HONE_UNROLL for (__m512i& p : part) p = _mm512_setzero_si512();
        HONE_UNROLL for (int p = 0; p < parts; ++p) row[p][r] = part[p];
      }
      HONE_UNROLL for (int p = 0; p < parts; ++p, at += 16) {
        __m512i turned[16];
        transpose_pairs(row[p], turned);
        HONE_UNROLL_16 for (int i = 0; i < 16; ++i) _mm512_store_si512(at + i, turned[i]);
      }
    }
}

template <DType Type>
HONE_AMX_BF16_TARGET inline __m512 sixteen_of_row(const AmxMatrix& m, std::int64_t row,
                                                  std::int64_t column) {
  return row < m.rows ? sixteen<Type>(m.data, row * m.step + column) : _mm512_setzero_ps();
}

// Of m, whose rows up to `padded` (whole groups) are zeros. Pairs of rows are those of
// pair_neighbours.
template <DType Type>
HONE_AMX_BF16_TARGET void pack_right(const AmxMatrix& m, std::int64_t padded, void* to) {
  constexpr int parts = amx_parts(Type);
  auto* at = static_cast<__m512i*>(to);
  for (std::int64_t c = 0; c < m.columns; c += 16)
    for (std::int64_t group = 0; group < padded; group += amx_group, at += parts * 16)
      for (std::int64_t i = 0; i < 16; ++i) {
        const std::int64_t row = group + pair_first(parts, i);
        __m512i part[parts];
        split_pairs(sixteen_of_row<Type>(m, row, c),
                    sixteen_of_row<Type>(m, row + pair_step(parts), c), part);
        HONE_UNROLL for (int p = 0; p < parts; ++p) _mm512_store_si512(at + p * 16 + i, part[p]);
      }
}

// The transpose of m as a left side: rows are the columns of m. Pairs of rows of m are i, i + 16.
template <DType Type>
HONE_AMX_BF16_TARGET void pack_left_transposed(const AmxMatrix& m, std::int64_t padded, void* to) {
  constexpr int parts = amx_parts(Type);
  const std::int64_t row_vectors = padded / amx_group * parts;
  auto* const at = static_cast<__m512i*>(to);
  for (std::int64_t group = 0; group < padded; group += amx_group)
    for (std::int64_t c = 0; c < m.columns; c += 16) {
      __m512i pairs[parts][16];
      HONE_UNROLL_16 for (int i = 0; i < 16; ++i) {
        __m512i part[parts];
        split_pairs(sixteen_of_row<Type>(m, group + i, c),
                    sixteen_of_row<Type>(m, group + i + 16, c), part);
        HONE_UNROLL for (int p = 0; p < parts; ++p) pairs[p][i] = part[p];
      }
      HONE_UNROLL for (int p = 0; p < parts; ++p) {
        __m512i turned[16];
        transpose_pairs(pairs[p], turned);
        HONE_UNROLL_16 for (int r = 0; r < 16; ++r) _mm512_store_si512(
            at + (c + r) * row_vectors + group / amx_group * parts + p, turned[r]);
      }
    }
}

// Two sides of a product of [32 * row_pairs, groups * 32] and [groups * 32, 16 * panels].
struct AmxProduct {
  const void* left;
  std::int64_t left_row;  // bytes between rows
  const void* right;
  std::int64_t right_panel;  // bytes between panels
  std::int64_t groups;
  float* to;
  std::int64_t wide;  // numbers between rows of `to`
};

// One step of 32 numbers: part I of the left rows meets part J of the right columns.
struct AmxStep {
  const std::byte *left, *right;
  std::int64_t left_row, right_panel;

  template <int I>
  HONE_AMX_BF16_TARGET void load_left() const {
    _tile_loadd(4, left + I * 64, left_row);
    _tile_loadd(5, left + I * 64 + amx_rows * left_row, left_row);
  }
  template <int J>
  HONE_AMX_BF16_TARGET void load_right() const {
    _tile_loadd(6, right + J * 1024, 64);
    _tile_loadd(7, right + J * 1024 + right_panel, 64);
  }
  HONE_AMX_BF16_TARGET static void multiply() {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
};

// The smallest first, in an order in which few tiles are loaded twice.
template <int Parts>
HONE_AMX_BF16_TARGET inline void multiply_parts(const AmxStep& step) {
  if constexpr (Parts == 3) {
    step.load_left<2>();
    step.load_right<0>();
    AmxStep::multiply();
    step.load_left<1>();
    AmxStep::multiply();
    step.load_right<1>();
    AmxStep::multiply();
    step.load_left<0>();
    AmxStep::multiply();
    step.load_right<2>();
    AmxStep::multiply();
  } else {
    step.load_left<0>();
    if constexpr (Parts == 2) {
      step.load_right<1>();
      AmxStep::multiply();
    }
  }
  step.load_right<0>();
  AmxStep::multiply();
  if constexpr (Parts == 2) {
    step.load_left<1>();
    AmxStep::multiply();
  }
}

// to[32 * row_pairs, 16 * panels] = or += the product; panels are even. Tiles are those of
// AmxTiles(16, 64).
template <int Parts, bool Add>
HONE_AMX_BF16_TARGET void amx_product(const AmxProduct& p, std::int64_t row_pairs,
                                      std::int64_t panels) {
  written(p.left);
  const std::int64_t bytes = p.wide * 4;
  for (std::int64_t pair = 0; pair < row_pairs; ++pair) {
    const std::byte* const rows =
        static_cast<const std::byte*>(p.left) + pair * 2 * amx_rows * p.left_row;
    const auto* columns = static_cast<const std::byte*>(p.right);
    float* to = p.to + pair * 2 * amx_rows * p.wide;
    for (std::int64_t panel = 0; panel < panels; panel += 2, to += 32) {
      if constexpr (Add) {
        _tile_loadd(0, to, bytes);
        _tile_loadd(1, to + 16, bytes);
        _tile_loadd(2, to + amx_rows * p.wide, bytes);
        _tile_loadd(3, to + amx_rows * p.wide + 16, bytes);
      } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
      }
      for (std::int64_t g = 0; g < p.groups; ++g)
        multiply_parts<Parts>({rows + g * amx_group_bytes(Parts),
                               columns + panel * p.right_panel + g * Parts * 1024, p.left_row,
                               p.right_panel});
      _tile_stored(0, to, bytes);
      _tile_stored(1, to + 16, bytes);
      _tile_stored(2, to + amx_rows * p.wide, bytes);
      _tile_stored(3, to + amx_rows * p.wide + 16, bytes);
    }
  }
  written(p.to);
}

// 2^x by a minimax polynomial of x less the whole number below it: to 3e-6 of itself, far below a
// step of float16, or for numbers of three parts to 2e-9. NaN stays NaN.
template <int Parts>
HONE_AMX_BF16_TARGET inline __m512 power_of_two(__m512 x) {
  // (Of minus infinity nothing is left, and scalef gives 0.)
  const __m512 rest = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  constexpr auto factors = [] {
    if constexpr (Parts == 3)
      return std::array{2.17022554e-4f,
                        1.24396878e-3f,
                        9.67884099e-3f,
                        5.5483342e-2f,
                        2.40229836e-1f,
                        6.93146984e-1f,
                        1.0f};
    else
      return std::array{1.35341678e-2f, 5.20114608e-2f, 2.41442757e-1f, 6.93003834e-1f,
                        1.00000259f};
  }();
  __m512 p = _mm512_set1_ps(factors[0]);
  HONE_UNROLL for (std::size_t i = 1; i < factors.size(); ++i) p =
      _mm512_fmadd_ps(p, rest, _mm512_set1_ps(factors[i]));
  return _mm512_scalef_ps(p, x);
}

// Lane i is what the lanes of x[i] come to by `join`: halves of vectors first, then quarters.
template <typename Join>
HONE_AMX_BF16_TARGET inline __m512 join_lanes(const __m512 (&x)[16], const Join& join) {
  __m512 half[8], quarter[4], pair[2];
  HONE_UNROLL for (int i = 0; i < 8; ++i) {
    const __m512 a = x[2 * i], b = x[2 * i + 1];
    half[i] = join(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
  }
  HONE_UNROLL for (int i = 0; i < 4; ++i) {
    const __m512 a = half[2 * i], b = half[2 * i + 1];
    quarter[i] = join(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
  }
  HONE_UNROLL for (int i = 0; i < 2; ++i) {
    const __m512d a = _mm512_castps_pd(quarter[2 * i]), b = _mm512_castps_pd(quarter[2 * i + 1]);
    pair[i] = join(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)),
                   _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
  }
  const __m512 all =
      join(_mm512_shuffle_ps(pair[0], pair[1], 0x88), _mm512_shuffle_ps(pair[0], pair[1], 0xdd));
  return _mm512_permutexvar_ps(
      _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), all);
}

#endif

}  // namespace hone
