// The pieces that dense attention and its gradient are made of: panels of numbers, products of
// blocks whose sums stay in registers, rows of probabilities. Included once per vector target
// (Highway's convention).
#if defined(HONE_DENSE_ATTENTION_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef HONE_DENSE_ATTENTION_INL_HPP
#undef HONE_DENSE_ATTENTION_INL_HPP
#else
#define HONE_DENSE_ATTENTION_INL_HPP
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "hone/backend/cpu/detail/dense_attention.hpp"
#include "hone/backend/cpu/detail/halves-inl.hpp"
#include "hone/backend/cpu/detail/math-inl.hpp"
#include "hone/core/unroll.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// Sums of a tile: 6 rows x 2 vectors of 16 registers, 6 x 4 of 32.
constexpr int tile_rows = 6;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SSSE3 || \
    HWY_TARGET == HWY_SSE2
constexpr int tile_vectors = 2;
#else
constexpr int tile_vectors = 4;
#endif

HWY_INLINE std::int64_t lane_count() { return static_cast<std::int64_t>(hn::Lanes(F32())); }
HWY_INLINE std::int64_t padded_to_lanes(std::int64_t n) {
  return (n + lane_count() - 1) / lane_count() * lane_count();
}

// A matrix [rows, columns] by panels: tile_vectors vectors of columns each (the last one may be
// narrower), [rows, width] inside. Columns are padded with zeros to whole vectors.
struct Panels {
  float* data;
  std::int64_t rows;     // that there is room for: panels begin at multiples of it
  std::int64_t columns;  // padded

  HWY_INLINE std::int64_t width() const { return tile_vectors * lane_count(); }
  HWY_INLINE float* panel(std::int64_t column) const { return data + column * rows; }
  HWY_INLINE std::int64_t width_at(std::int64_t column) const {
    return std::min(width(), columns - column);
  }
};

// Rows of numbers stored as `dtype`, `step` elements apart.
struct StoredRows {
  const std::byte* data;
  DType dtype;
  std::int64_t step;

  HWY_INLINE const std::byte* row(std::int64_t r) const {
    return data + r * step * static_cast<std::int64_t>(size_of(dtype));
  }
};

// rows x columns as they are.
template <typename Load>
HWY_INLINE void pack_rows_of(const Load& load, const StoredRows& from, std::int64_t rows,
                             std::int64_t columns, const Panels& to) {
  for (std::int64_t first = 0; first < columns; first += to.width()) {
    const std::int64_t width = to.width_at(first), own = std::min(width, columns - first);
    float* panel = to.panel(first);
    const std::byte* x = from.data + first * std::int64_t{Load::bytes};
    const std::int64_t step = from.step * std::int64_t{Load::bytes};
    for (std::int64_t r = 0; r < rows; ++r, panel += width, x += step)
      for_loaded(load, x, own, [&](std::int64_t c, VecF v) { hn::StoreU(v, F32(), panel + c); });
  }
}
inline void pack_panels(const StoredRows& from, std::int64_t rows, std::int64_t columns,
                        const Panels& to) {
  with_load(from.dtype, [&](auto load) HWY_ATTR { pack_rows_of(load, from, rows, columns, to); });
}

// float32 rows, one behind the other, columns padded with zeros to `width`.
inline void widen_rows(const StoredRows& from, std::int64_t rows, std::int64_t columns, float* to,
                       std::int64_t width) {
  with_load(from.dtype, [&](auto load) HWY_ATTR {
    for (std::int64_t r = 0; r < rows; ++r)
      for_loaded(load, from.row(r), columns,
                 [&](std::int64_t c, VecF v) { hn::StoreU(v, F32(), to + r * width + c); });
  });
}

// The transpose of count x size numbers, times `scale`: `to` has `size` rows and count columns.
// Squares of four at a time; `four` has room for four rows of float32, padded to whole vectors.
inline void pack_transposed_panels(const StoredRows& from, std::int64_t count, std::int64_t size,
                                   float scale, const Panels& to, float* four) {
  const hn::FixedTag<float, 4> d;
  const hn::Repartition<double, decltype(d)> dd;
  const auto factor = hn::Set(d, scale);
  const std::int64_t wide = padded_to_lanes(size);
  const bool direct = from.dtype == DType::f32 && size % 4 == 0;

  for (std::int64_t c = 0; c < to.columns; c += 4) {
    const std::int64_t there = std::min<std::int64_t>(4, count - c);
    const std::int64_t first = c / to.width() * to.width(), width = to.width_at(first);
    float* panel = to.panel(first) + (c - first);
    const float* row[4];
    if (direct && there == 4) {
      for (int i = 0; i < 4; ++i) row[i] = reinterpret_cast<const float*>(from.row(c + i));
    } else {
      for (int i = 0; i < 4; ++i) row[i] = four + i * wide;
      if (there < 4) std::memset(four, 0, static_cast<std::size_t>(4 * wide) * sizeof(float));
      if (there > 0) widen_rows({from.row(c), from.dtype, from.step}, there, size, four, wide);
    }
    for (std::int64_t k = 0; k < size; k += 4) {
      const auto a = hn::Mul(hn::LoadU(d, row[0] + k), factor);
      const auto b = hn::Mul(hn::LoadU(d, row[1] + k), factor);
      const auto e = hn::Mul(hn::LoadU(d, row[2] + k), factor);
      const auto f = hn::Mul(hn::LoadU(d, row[3] + k), factor);
      const auto ab = hn::BitCast(dd, hn::InterleaveLower(d, a, b));
      const auto ef = hn::BitCast(dd, hn::InterleaveLower(d, e, f));
      const auto ab2 = hn::BitCast(dd, hn::InterleaveUpper(d, a, b));
      const auto ef2 = hn::BitCast(dd, hn::InterleaveUpper(d, e, f));
      float* at = panel + k * width;
      const std::int64_t left = size - k;
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dd, ab, ef)), d, at);
      if (left > 1) hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dd, ab, ef)), d, at + width);
      if (left > 2)
        hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dd, ab2, ef2)), d, at + 2 * width);
      if (left > 3)
        hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dd, ab2, ef2)), d, at + 3 * width);
    }
  }
}

// c[rows, columns of b] = before[r] * c + a b. a[r,k] lies at a[r * row + k * step]: one of both
// is 1.
struct BlockProduct {
  const float* a;
  std::int64_t row, step;
  Panels b;
  std::int64_t k;
  float* c;
  std::int64_t ldc;
  const float* before;  // of each row; null: c is overwritten
};

template <int Rows, int Vectors, bool Turned>
HWY_INLINE void tile_step(const float* a, std::int64_t row, const float* b,
                          VecF (&sum)[Rows][Vectors]) {
  const F32 d;
  VecF right[Vectors];
  HONE_UNROLL
  for (int v = 0; v < Vectors; ++v) right[v] = hn::LoadU(d, b + v * lane_count());
  HONE_UNROLL
  for (int r = 0; r < Rows; ++r) {
    const VecF left = hn::Set(d, Turned ? a[r] : a[r * row]);
    HONE_UNROLL
    for (int v = 0; v < Vectors; ++v) sum[r][v] = hn::MulAdd(left, right[v], sum[r][v]);
  }
}

template <int Rows, int Vectors, bool Turned>
HWY_NOINLINE void tile_product(const BlockProduct& p, const float* a, const float* b, float* c,
                               const float* before) {
  const F32 d;
  const std::int64_t lanes = lane_count();
  VecF sum[Rows][Vectors];
  HONE_UNROLL
  for (int r = 0; r < Rows; ++r) {
    const VecF factor = hn::Set(d, before == nullptr ? 0.0f : before[r]);
    HONE_UNROLL
    for (int v = 0; v < Vectors; ++v)
      sum[r][v] = before == nullptr ? hn::Zero(d)
                                    : hn::Mul(factor, hn::LoadU(d, c + r * p.ldc + v * lanes));
  }
  const std::int64_t row = p.row, step = Turned ? p.step : 1, width = Vectors * lanes;
  std::int64_t k = 0;
  for (; k + 4 <= p.k; k += 4) {
    HONE_UNROLL
    for (int u = 0; u < 4; ++u)
      tile_step<Rows, Vectors, Turned>(a + u * step, row, b + u * width, sum);
    a += 4 * step;
    b += 4 * width;
  }
  for (; k < p.k; ++k, a += step, b += width) tile_step<Rows, Vectors, Turned>(a, row, b, sum);
  HONE_UNROLL
  for (int r = 0; r < Rows; ++r) HONE_UNROLL
  for (int v = 0; v < Vectors; ++v) hn::StoreU(sum[r][v], d, c + r * p.ldc + v * lanes);
}

template <int Vectors, bool Turned>
HWY_INLINE void rows_product(const BlockProduct& p, std::int64_t rows, const float* b, float* c) {
  for (std::int64_t r = 0; r < rows;) {
    const std::int64_t left = rows - r;
    // No tile of one or two rows where two of three or four do.
    const std::int64_t take = left >= 2 * tile_rows || left == tile_rows ? tile_rows
                              : left > tile_rows                         ? (left + 1) / 2
                                                                         : left;
    const float* a = p.a + r * p.row;
    const float* before = p.before == nullptr ? nullptr : p.before + r;
    float* to = c + r * p.ldc;
    switch (take) {
      case 6: tile_product<6, Vectors, Turned>(p, a, b, to, before); break;
      case 5: tile_product<5, Vectors, Turned>(p, a, b, to, before); break;
      case 4: tile_product<4, Vectors, Turned>(p, a, b, to, before); break;
      case 3: tile_product<3, Vectors, Turned>(p, a, b, to, before); break;
      case 2: tile_product<2, Vectors, Turned>(p, a, b, to, before); break;
      default: tile_product<1, Vectors, Turned>(p, a, b, to, before); break;
    }
    r += take;
  }
}

// `columns`: of b that are wanted. Turned: row is 1.
template <bool Turned>
void block_product(const BlockProduct& p, std::int64_t rows, std::int64_t columns) {
  const std::int64_t lanes = lane_count();
  for (std::int64_t column = 0; column < columns; column += p.b.width()) {
    const float* b = p.b.panel(column);
    float* c = p.c + column;
    switch (p.b.width_at(column) / lanes) {
#if HWY_TARGET != HWY_AVX2
      case 4: rows_product<std::min(4, tile_vectors), Turned>(p, rows, b, c); break;
      case 3: rows_product<std::min(3, tile_vectors), Turned>(p, rows, b, c); break;
#endif
      case 2: rows_product<2, Turned>(p, rows, b, c); break;
      default: rows_product<1, Turned>(p, rows, b, c); break;
    }
  }
}

// 2^x for x <= 0, relative error below 1e-7; 0 from -127 down,
// where the bits of the exponent become those of 0. NaN stays NaN.
HWY_INLINE VecF power_of_two(VecF x) {
  const F32 d;
  const VecF low = hn::Max(x, hn::Set(d, -127.0f));
  // Added to it, a number is whole, and its last bits are that whole number.
  const VecF shifter = hn::Set(d, 12582912.0f);
  const VecF shifted = hn::Add(low, shifter);
  const VecF p = exp2_of_fraction(hn::Sub(low, hn::Sub(shifted, shifter)));
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(I32(), shifted));
  // (No power is below x.)
  return max_or_second(hn::BitCast(d, hn::Add(hn::BitCast(I32(), p), exponent)), x);
}

// The part of a mask that one row of a block of keys sees, as what is added to scores in powers of
// two: -infinity where it hides. `to` has room for whole vectors.
inline void mask_row(const DenseMask& mask, std::int64_t offset, std::int64_t count, float* to) {
  const F32 d;
  constexpr float minus_infinity = -std::numeric_limits<float>::infinity();
  if (mask.strides.key == 0) {
    std::fill(to, to + count, mask.number_at(offset));
  } else if (mask.dtype == DType::boolean) {
    const auto* keep = static_cast<const std::uint8_t*>(mask.data) + offset;
    for (std::int64_t i = 0; i < count; ++i) to[i] = keep[i] != 0 ? 0.0f : minus_infinity;
    return;
  } else {
    const auto* from = static_cast<const std::byte*>(mask.data) +
                       offset * static_cast<std::int64_t>(size_of(mask.dtype));
    with_load(mask.dtype, [&](auto load) HWY_ATTR {
      for_loaded(load, from, count, [&](std::int64_t i, VecF v) { hn::StoreU(v, d, to + i); });
    });
  }
  if (mask.dtype == DType::boolean) return;
  const VecF lowest = hn::Set(d, lowest_mask), hides = hn::Set(d, minus_infinity);
  for (std::int64_t i = 0; i < count; i += lane_count()) {
    const VecF v = hn::LoadU(d, to + i);
    const VecF scaled = hn::Mul(max_or_second(lowest, v), hn::Set(d, 1.44269504f));
    hn::StoreU(hn::IfThenElse(hn::Eq(v, hides), v, scaled), d, to + i);
  }
}

HWY_INLINE void add_row(const float* from, std::int64_t count, float* to) {
  const F32 d;
  for (std::int64_t i = 0; i < count; i += lane_count())
    hn::StoreU(hn::Add(hn::LoadU(d, to + i), hn::LoadU(d, from + i)), d, to + i);
}

// A row of float32, times a number, to where the result is stored.
inline void store_row(const float* from, std::int64_t count, float factor, DType dtype, void* to) {
  const F32 d;
  const VecF times = hn::Set(d, factor);
  with_store(dtype, [&](auto store) HWY_ATTR {
    store_all(store, count, to,
              [&](std::int64_t i) { return hn::Mul(hn::LoadU(d, from + i), times); });
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#endif  // HONE_DENSE_ATTENTION_INL_HPP
