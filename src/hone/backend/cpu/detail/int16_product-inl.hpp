// Products of pairs of 16-bit numbers, of which one instruction multiplies two and adds them;
// included once per vector target (Highway's convention).
#if defined(HONE_INT16_PRODUCT_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef HONE_INT16_PRODUCT_INL_HPP
#undef HONE_INT16_PRODUCT_INL_HPP
#else
#define HONE_INT16_PRODUCT_INL_HPP
#endif

#include <cstdint>
#include <cstring>

#include "hone/backend/cpu/detail/int8_product.hpp"
#include "hone/core/unroll.hpp"
#include "hone/core/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

using I16 = hn::Repartition<std::int16_t, I32>;
using Vec32 = hn::Vec<I32>;
inline constexpr std::int64_t int32_lanes = hn::MaxLanes(I32());

// Where pair i of a row lies: after the ones before, or as a list says.
struct PairsTogether {
  HWY_INLINE std::int64_t operator[](std::int64_t i) const { return 2 * i; }
};

// Sums of `pairs` pairs of Rows rows of x times `vectors` * lanes columns of w, whose pairs lie
// int8_panel pairs apart; those of row r from `to` + r * `step` on. They wrap around. (A function
// of its own: within other loops GCC 12 keeps the sums in memory. 6 x 2 fill sixteen registers.)
template <int Rows, int vectors, typename Offsets>
HWY_NOINLINE void multiply_pairs(const std::int16_t* const (&x)[Rows], const Offsets offsets,
                                 std::int64_t pairs, const std::int16_t* const (&w)[vectors],
                                 std::int32_t* to, std::int64_t step) {
  const I32 di;
  const I16 dw;
  Vec32 sum[Rows][vectors], rest[Rows][vectors];
  HONE_UNROLL for (int r = 0; r < Rows; ++r) HONE_UNROLL for (int j = 0; j < vectors; ++j)
      sum[r][j] = rest[r][j] = hn::Zero(di);
  for (std::int64_t i = 0; i < pairs; ++i) {
    const std::int64_t offset = offsets[i];
    hn::Vec<I16> right[vectors];
    HONE_UNROLL for (int j = 0; j < vectors; ++j) right[j] =
        hn::LoadU(dw, w[j] + 2 * i * int8_panel);
    HONE_UNROLL for (int r = 0; r < Rows; ++r) {
      std::int32_t two;
      std::memcpy(&two, x[r] + offset, sizeof two);
      const auto left = hn::BitCast(dw, hn::Set(di, two));
      HONE_UNROLL for (int j = 0; j < vectors; ++j) sum[r][j] =
          hn::ReorderWidenMulAccumulate(di, left, right[j], sum[r][j], rest[r][j]);
    }
  }
  HONE_UNROLL for (int r = 0; r < Rows; ++r) HONE_UNROLL for (int j = 0; j < vectors; ++j)
      hn::StoreU(hn::RearrangeToOddPlusEven(sum[r][j], rest[r][j]), di,
                 to + r * step + j * int32_lanes);
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#endif  // HONE_INT16_PRODUCT_INL_HPP
