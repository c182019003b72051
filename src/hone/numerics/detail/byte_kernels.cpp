// 8-bit codes of rows: what products on integers read.
#include <algorithm>
#include <array>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/numerics/detail/byte_kernels.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/numerics/detail/grid-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// Codes of vectors of numbers: inverse * x limited, rounded, moved by the offset; in the low byte
// of a lane. Limits are whole numbers, so it does not matter whether rounding comes first.
template <typename Vector>
struct CodeVector {
  Vector grid;
  VecF factor, magic;
  VecU offset;

  // The magic number added to one below 2^22 rounds it to nearest even and leaves the whole number
  // in the low bits. The offset comes after that: an odd one would turn ties the other way.
  CodeVector(const Vector& g, float added)
      : grid(g),
        factor(hn::Set(F32(), 1.0f)),
        magic(hn::Set(F32(), 12582912.0f)),
        offset(hn::Set(U32(), static_cast<std::uint32_t>(static_cast<std::int32_t>(added)))) {}
  HWY_INLINE VecU operator()(VecF x) const {
    const VecF k = hn::Add(grid.limited(hn::Mul(x, factor)), magic);
    const VecU code = hn::Add(hn::BitCast(U32(), k), offset);
    return hn::IfThenElseZero(hn::RebindMask(U32(), hn::Eq(x, x)), code);
  }
};

template <typename Code>
HWY_INLINE void encode(const Code& code, const float* x, std::int8_t* codes, std::int64_t n) {
  const F32 d;
  const hn::Rebind<std::uint8_t, U32> quarter;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto* out = reinterpret_cast<std::uint8_t*>(codes);
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    hn::StoreU(hn::TruncateTo(quarter, code(hn::LoadU(d, x + i))), quarter, out + i);
  if (i == n) return;
  const auto rest = static_cast<std::size_t>(n - i);
  std::array<std::uint8_t, HWY_MAX_BYTES> tail;
  hn::StoreU(hn::TruncateTo(quarter, code(masked_load(hn::FirstN(d, rest), d, x + i))), quarter,
             tail.data());
  std::memcpy(out + i, tail.data(), rest);
}

void run_encode_values(const UniformGrid& grid, float offset, const float* x, std::int8_t* codes,
                       std::int64_t n) {
  with_vector(grid, [&](const auto& vector) { encode(CodeVector(vector, offset), x, codes, n); });
}

void run_encode_blocks(const UniformGrid& grid, const BlockScale& scale, std::int64_t block,
                       const float* x, std::int8_t* codes, float* scales, std::int64_t n) {
  with_vector(grid, [&](const auto& vector) {
    CodeVector code(vector, 0.0f);
    const VecF step = hn::Set(F32(), grid.step);
    const bool whole =
        n % block == 0 && with_vector_count(block, [&](auto vectors) {
          constexpr int count = decltype(vectors)::value;
          const auto lanes = static_cast<std::int64_t>(hn::Lanes(F32()));
          const hn::Rebind<std::uint8_t, U32> quarter;
          auto* out = reinterpret_cast<std::uint8_t*>(codes);
          float* next = scales;
          for_block_factors<count>(
              ScaleVector(scale), x, n / block,
              [&](std::int64_t first, VecF inverse, VecF factor) HONE_INLINE_BODY {
                auto scaled = code;
                scaled.factor = inverse;
                for (std::int64_t i = first; i < first + count * lanes; i += lanes)
                  hn::StoreU(hn::TruncateTo(quarter, scaled(hn::LoadU(F32(), x + i))), quarter,
                             out + i);
                *next++ = hn::GetLane(hn::Mul(factor, step));
              });
        });
    if (whole) return;
    for (std::int64_t first = 0; first < n; first += block) {
      const std::int64_t count = std::min(block, n - first);
      const int e = scale.exponent(largest_magnitude(x + first, count));
      code.factor = hn::Set(F32(), power_of_two(-e));
      encode(code, x + first, codes + first, count);
      *scales++ = power_of_two(e) * grid.step;
    }
  });
}

ValueRange run_value_range(const float* x, std::int64_t n) {
  const F32 d;
  VecF low = hn::Zero(d);
  VecF high = hn::Zero(d);
  const auto take = [&](VecF v) {
    low = hn::IfThenElse(hn::Lt(v, low), v, low);
    high = hn::IfThenElse(hn::Gt(v, high), v, high);
  };
  for_vectors(
      n, [&](std::int64_t i) { take(hn::LoadU(d, x + i)); },
      [&](std::int64_t i, std::size_t count) {
        take(masked_load(hn::FirstN(d, count), d, x + i));
      });
  return {hn::GetLane(hn::MinOfLanes(d, low)), hn::GetLane(hn::MaxOfLanes(d, high))};
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_encode_values);
HWY_EXPORT(run_encode_blocks);
HWY_EXPORT(run_value_range);

void encode_values(const UniformGrid& grid, float offset, const float* x, std::int8_t* codes,
                   std::int64_t n) {
  HWY_DYNAMIC_DISPATCH(run_encode_values)(grid, offset, x, codes, n);
}
void encode_blocks(const UniformGrid& grid, const BlockScale& scale, std::int64_t block,
                   const float* x, std::int8_t* codes, float* scales, std::int64_t n) {
  HWY_DYNAMIC_DISPATCH(run_encode_blocks)(grid, scale, block, x, codes, scales, n);
}
ValueRange value_range(const float* x, std::int64_t n) {
  return HWY_DYNAMIC_DISPATCH(run_value_range)(x, n);
}

}  // namespace hone
#endif
