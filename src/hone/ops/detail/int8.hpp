// Products on 8-bit integers: what encode_int8 writes and linear_int8 reads.
#pragma once

#include <memory>
#include <string>

#include "hone/core/round_up.hpp"
#include "hone/ops/detail/quantizer.hpp"

namespace hone {

// Rows of codes are cut up into runs of four; the last is filled with the code of zero.
constexpr std::int64_t code_columns(std::int64_t columns) { return round_up(columns, 4); }
// Scales of a row.
inline std::int64_t scale_count(const Int8Layout& layout, std::int64_t columns) {
  if (columns == 0) return 0;
  return layout.block == 0 ? 1 : (columns + layout.block - 1) / layout.block;
}

// How the codes of a product of two formats meet: `block` columns at a time share both scales.
struct Int8Product {
  std::shared_ptr<const Quantizer> data, weight;
  Int8Layout data_layout, weight_layout;
  std::int64_t columns = 0, block = 0;

  std::int64_t blocks() const { return columns == 0 ? 0 : (columns + block - 1) / block; }
  std::int64_t data_block(std::int64_t b) const {
    return data_layout.block == 0 ? 0 : b * block / data_layout.block;
  }
  std::int64_t weight_block(std::int64_t b) const {
    return weight_layout.block == 0 ? 0 : b * block / weight_layout.block;
  }
};

// The largest magnitude that a 32-bit sum of `count` products may meet on its way: data codes are
// moved into 0 .. 255 (by 128 where they are signed), weight codes into -128 .. 127, zeros are
// taken off at the end.
std::int64_t largest_int8_sum(const Int8Layout& data, const Int8Layout& weight, std::int64_t count);
// Why sums of `count` products of these codes do not fit 32 bits; empty: they do.
std::string refuse_int8_sums(const Int8Layout& data, const Int8Layout& weight, std::int64_t count);

// Why the two formats have no product on 8-bit integers over `columns` columns; empty: they have,
// and `product` (may be null) is set.
std::string refuse_int8(std::shared_ptr<const Quantizer> data,
                        std::shared_ptr<const Quantizer> weight, std::int64_t columns,
                        Int8Product* product);

// Why attention cannot run on 8-bit codes of `width` columns in this format; empty: it can. One
// scale and no zero for all rows, so that sums over keys and over columns are sums of whole
// numbers.
std::string refuse_attention_int8(const Quantizer& data, std::int64_t width);

// Flips the highest bit of each of `count` codes: signed codes are moved up by 128.
void move_up(std::uint8_t* codes, std::int64_t count);

// The attributes of linear_int8: the weight's packed_attributes and the data's format.
std::vector<OptionSpec> int8_attributes();
// Throws Error(invalid_argument) where refuse_int8 has a reason.
Int8Product bind_int8(const Options& attributes);

}  // namespace hone
