// The grids on vectors: the instructions are chosen at run time. Results equal grid.hpp bit for
// bit.
#pragma once

#include <cstdint>

#include "hone/numerics/grid.hpp"

namespace hone {

// The power of two that scales a block with largest magnitude m: 2^e with e = floor(log2 m') +
// offset, limited to [minimum, maximum]. m' is m with `carry` added to its bits: half a step of the
// block's grid, so that a largest number that rounds up into the next binade takes the next scale.
// A block of zeros takes `minimum`, one with an infinity `maximum`; NaN does not count.
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

// y[i] = scale * grid.value(inverse * x[i]) for i < n.
void quantize_values(const UniformGrid& grid, const float* x, float* y, std::int64_t n,
                     float inverse, float scale);
void quantize_values(const FloatGrid& grid, const float* x, float* y, std::int64_t n, float inverse,
                     float scale);
void quantize_values(const PowerGrid& grid, const float* x, float* y, std::int64_t n, float inverse,
                     float scale);

// The same with a scale 2^e a block. When `exponents` is given it gets e of every block, row by
// row.
void quantize_blocks(const UniformGrid& grid, const BlockScale& scale, BlockShape block,
                     const float* x, float* y, std::int64_t rows, std::int64_t columns,
                     std::int16_t* exponents);
void quantize_blocks(const FloatGrid& grid, const BlockScale& scale, BlockShape block,
                     const float* x, float* y, std::int64_t rows, std::int64_t columns,
                     std::int16_t* exponents);
void quantize_blocks(const PowerGrid& grid, const BlockScale& scale, BlockShape block,
                     const float* x, float* y, std::int64_t rows, std::int64_t columns,
                     std::int16_t* exponents);

// Largest bits of |x[i]|, NaN left out; 0 for none.
std::uint32_t largest_magnitude_bits(const float* x, std::int64_t n);

}  // namespace hone
