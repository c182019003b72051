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
// narrower), [rows, width] inside. Columns are padded with zeros to whole vectors. Or a matrix as
// it is, whose panels are parts of its rows.
struct Panels {
  float* data;
  std::int64_t rows;     // that there is room for: panels begin at multiples of it
  std::int64_t columns;  // padded
  bool packed = true;    // false: rows of `columns` numbers

  HWY_INLINE std::int64_t width() const { return tile_vectors * lane_count(); }
  HWY_INLINE float* panel(std::int64_t column) const {
    return data + (packed ? column * rows : column);
  }
  HWY_INLINE std::int64_t width_at(std::int64_t column) const {
    return std::min(width(), columns - column);
  }
  // From a row of a panel to the next.
  HWY_INLINE std::int64_t step_at(std::int64_t column) const {
    return packed ? width_at(column) : columns;
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
// Packed into `room`, or as they are where they lie so.
inline Panels panels_of(const StoredRows& from, std::int64_t rows, std::int64_t columns,
                        float* room) {
  if (from.dtype == DType::f32 && from.step == columns && columns % lane_count() == 0)
    return {reinterpret_cast<float*>(const_cast<std::byte*>(from.data)), rows, columns, false};
  const Panels to{room, rows, padded_to_lanes(columns)};
  with_load(from.dtype, [&](auto load) HWY_ATTR { pack_rows_of(load, from, rows, columns, to); });
  return to;
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

// Numbers k to k + 3 of as many rows as a vector has lanes: vector j of `to` has number k + j of
// each. Row r lies at row[r].
HWY_INLINE void transpose_four(const float* const* row, std::int64_t k, VecF (&to)[4]) {
  const F32 d;
  const hn::Repartition<double, F32> dd;
  const std::int64_t lanes = lane_count();
  VecF quarter[4];  // rows i, i + 4, i + 8 ...
  HONE_UNROLL
  for (int i = 0; i < 4; ++i) {
    VecF v = hn::LoadDup128(d, row[i] + k);
    for (std::int64_t r = 4; r < lanes; r += 4)
      v = hn::IfThenElse(hn::FirstN(d, static_cast<std::size_t>(r)), v,
                         hn::LoadDup128(d, row[r + i] + k));
    quarter[i] = v;
  }
  const auto low01 = hn::BitCast(dd, hn::InterleaveLower(d, quarter[0], quarter[1]));
  const auto low23 = hn::BitCast(dd, hn::InterleaveLower(d, quarter[2], quarter[3]));
  const auto high01 = hn::BitCast(dd, hn::InterleaveUpper(d, quarter[0], quarter[1]));
  const auto high23 = hn::BitCast(dd, hn::InterleaveUpper(d, quarter[2], quarter[3]));
  to[0] = hn::BitCast(d, hn::InterleaveLower(dd, low01, low23));
  to[1] = hn::BitCast(d, hn::InterleaveUpper(dd, low01, low23));
  to[2] = hn::BitCast(d, hn::InterleaveLower(dd, high01, high23));
  to[3] = hn::BitCast(d, hn::InterleaveUpper(dd, high01, high23));
}

// The transpose of count x size numbers, times `scale`, in `to`, whose rows are `size` of `count`
// columns, padded. `room`: for as many rows of float32, padded to whole vectors, as a vector has
// lanes.
inline Panels pack_transposed_panels(const StoredRows& from, std::int64_t count, std::int64_t size,
                                     float scale, float* to, float* room) {
  const F32 d;
  const VecF factor = hn::Set(d, scale);
  const std::int64_t lanes = lane_count(), wide = padded_to_lanes(size);
  const bool direct = from.dtype == DType::f32 && size % 4 == 0;
  const Panels panels{to, size, padded_to_lanes(count)};

  for (std::int64_t c = 0; c < panels.columns; c += lanes) {
    const std::int64_t there = std::min(lanes, count - c);
    const std::int64_t first = c / panels.width() * panels.width(), width = panels.width_at(first);
    float* at = panels.panel(first) + (c - first);
    const float* row[hn::MaxLanes(F32())];
    if (direct && there == lanes) {
      for (std::int64_t r = 0; r < lanes; ++r)
        row[r] = reinterpret_cast<const float*>(from.row(c + r));
    } else {
      for (std::int64_t r = 0; r < lanes; ++r) row[r] = room + r * wide;
      widen_rows({from.row(c), from.dtype, from.step}, there, size, room, wide);
      std::fill(room + there * wide, room + lanes * wide, 0.0f);
    }
    for (std::int64_t k = 0; k < size; k += 4, at += 4 * width) {
      VecF turned[4];
      transpose_four(row, k, turned);
      for (std::int64_t i = 0; i < std::min<std::int64_t>(4, size - k); ++i)
        hn::StoreU(hn::Mul(turned[i], factor), d, at + i * width);
    }
  }
  return panels;
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

// b: a panel, whose rows are `width` apart.
template <int Rows, int Vectors, bool Turned>
HWY_NOINLINE void tile_product(const BlockProduct& p, const float* a, const float* b,
                               std::int64_t width, float* c, const float* before) {
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
  const std::int64_t row = p.row, step = Turned ? p.step : 1;
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
HWY_INLINE void rows_product(const BlockProduct& p, std::int64_t rows, const float* b,
                             std::int64_t width, float* c) {
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
      case 6: tile_product<6, Vectors, Turned>(p, a, b, width, to, before); break;
      case 5: tile_product<5, Vectors, Turned>(p, a, b, width, to, before); break;
      case 4: tile_product<4, Vectors, Turned>(p, a, b, width, to, before); break;
      case 3: tile_product<3, Vectors, Turned>(p, a, b, width, to, before); break;
      case 2: tile_product<2, Vectors, Turned>(p, a, b, width, to, before); break;
      default: tile_product<1, Vectors, Turned>(p, a, b, width, to, before); break;
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
    const std::int64_t step = p.b.step_at(column);
    switch (p.b.width_at(column) / lanes) {
#if HWY_TARGET != HWY_AVX2
      case 4: rows_product<std::min(4, tile_vectors), Turned>(p, rows, b, step, c); break;
      case 3: rows_product<std::min(3, tile_vectors), Turned>(p, rows, b, step, c); break;
#endif
      case 2: rows_product<2, Turned>(p, rows, b, step, c); break;
      default: rows_product<1, Turned>(p, rows, b, step, c); break;
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

// Adds a row of a mask to scores. What a boolean one hides is so whatever it was.
HWY_INLINE void add_mask_row(const DenseMask& mask, const float* row, std::int64_t count,
                             float* scores) {
  const F32 d;
  const bool hides = mask.dtype == DType::boolean;
  for (std::int64_t i = 0; i < count; i += lane_count()) {
    const VecF more = hn::LoadU(d, row + i);
    VecF score = hn::Add(hn::LoadU(d, scores + i), more);
    if (hides) score = hn::IfThenElse(hn::Lt(more, hn::Zero(d)), more, score);
    hn::StoreU(score, d, scores + i);
  }
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
