// The grids on vectors: the instructions are chosen at run time. Results equal grid.hpp bit for
// bit.
#pragma once

#include <cstdint>

#include "hone/numerics/grid.hpp"

namespace hone {

// The power of two that scales a block with largest magnitude m: 2^e with e = floor(log2 m') +
// offset, limited to [minimum, maximum]. m' is m with `carry` added to its bits: half a step of the
// block's grid, so that a largest number that rounds up into the next binade takes the next scale.
// A block of zeros takes `minimum`; an infinity counts as the largest finite number, NaN not at
// all.
struct BlockScale {
  int offset = 0;
  int minimum = -127;
  int maximum = 127;
  std::uint32_t carry = 0;

  int exponent(std::uint32_t magnitude_bits) const;
};

// Half a unit of the last of `fraction_bits` bits after the leading one, as BlockScale::carry. (A
// tie at the top of a binade goes to the even number, which is the carry.)
constexpr std::uint32_t half_step(int fraction_bits) {
  return fraction_bits >= 23 ? 0u : 1u << (22 - fraction_bits);
}

// Blocks of block_rows x block_columns numbers; those at the right and lower edge may be smaller.
struct BlockShape {
  std::int64_t rows = 1;
  std::int64_t columns = 32;
};

// Where results are stored. Many had better go past the caches: they would push out what is there,
// and be pushed out themselves before anything reads them. `past_caches_in_turn`: x is one of many
// groups end to end, of which the next is fetched meanwhile.
enum class Stores { cached, past_caches, past_caches_in_turn };
// The same where the next group has been fetched already.
constexpr Stores fetched(Stores stores) {
  return stores == Stores::past_caches_in_turn ? Stores::past_caches : stores;
}
// Whether y with n numbers is that large (and not x itself).
bool stores_past_caches(const float* x, const float* y, std::int64_t n);
// After stores past the caches, before others may read them.
void finish_stream();

// y[i] = grid.value(x[i]) for i < n.
void quantize_values(const UniformGrid& grid, const float* x, float* y, std::int64_t n,
                     Stores stores);
void quantize_values(const FloatGrid& grid, const float* x, float* y, std::int64_t n,
                     Stores stores);
void quantize_values(const PowerGrid& grid, const float* x, float* y, std::int64_t n,
                     Stores stores);

// The same with a scale 2^e a block: y = 2^e grid.value(x / 2^e). When `exponents` is given it gets
// e of every block, row by row.
void quantize_blocks(const UniformGrid& grid, const BlockScale& scale, BlockShape block,
                     const float* x, float* y, std::int64_t rows, std::int64_t columns,
                     std::int16_t* exponents);
void quantize_blocks(const FloatGrid& grid, const BlockScale& scale, BlockShape block,
                     const float* x, float* y, std::int64_t rows, std::int64_t columns,
                     std::int16_t* exponents);
void quantize_blocks(const PowerGrid& grid, const BlockScale& scale, BlockShape block,
                     const float* x, float* y, std::int64_t rows, std::int64_t columns,
                     std::int16_t* exponents);

// The codes of numbers: y[i] = (code - offset) * grid.step for code = grid.code(x[i]) + offset, as
// one byte: signed, or unsigned where a code exceeds 127. NaN gets the code 0.
void encode_values(const UniformGrid& grid, float offset, const float* x, std::int8_t* codes,
                   std::int64_t n);
// One row in blocks of `block` numbers with a power of two each: signed codes, and scales such that
// scale * code is the number.
void encode_blocks(const UniformGrid& grid, const BlockScale& scale, std::int64_t block,
                   const float* x, std::int8_t* codes, float* scales, std::int64_t n);

// Smallest and largest number, at most and at least 0; NaN left out.
struct ValueRange {
  float low = 0;
  float high = 0;
};
ValueRange value_range(const float* x, std::int64_t n);

// Largest bits of |x[i]|, NaN left out; 0 for none.
std::uint32_t largest_magnitude_bits(const float* x, std::int64_t n);

}  // namespace hone
