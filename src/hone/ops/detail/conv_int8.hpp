// Convolutions on 8-bit codes: how the codes of places and of filters meet.
#pragma once

#include <string>
#include <vector>

#include "hone/ops/detail/int8.hpp"
#include "hone/ops/detail/window.hpp"

namespace hone {

// A place's row: taps after each other, `padded` codes each; `block` of them share both scales.
struct ConvInt8 {
  std::shared_ptr<const Quantizer> data, weight;
  Int8Layout data_layout, weight_layout;
  std::vector<std::int64_t> kernel;                    // height, width
  std::int64_t filters = 0, channels = 0, padded = 0;  // padded: channels in whole fours
  std::int64_t block = 0;
  bool taps_last = false;  // the codes of a filter lie channel by channel, not tap by tap
  // What codes of data count from: of signed codes they are moved up by 128.
  std::int32_t zero = 0;

  std::int64_t taps() const { return kernel[0] * kernel[1]; }
  std::int64_t columns() const { return taps() * padded; }
  std::int64_t blocks() const { return block == 0 ? 0 : columns() / block; }
  // Scales of a place (less the zero behind them); which of a row's scales block b has: tap and
  // number of the scale.
  std::int64_t place_scales() const { return scale_count(data_layout, channels); }
  std::int64_t tap_of(std::int64_t b) const { return b * block / padded; }
  std::int64_t place_scale(std::int64_t b) const {
    return data_layout.block == 0 ? 0 : b * block % padded / data_layout.block;
  }
  std::int64_t weight_scales() const { return scale_count(weight_layout, taps() * channels); }
  std::int64_t weight_scale(std::int64_t b) const {
    return weight_layout.block == 0 ? 0 : b * block / weight_layout.block;
  }
};

// Why a convolution of data in that format with filters [O,C,KH,KW] packed as `weight` (attributes
// of dequantize) has no product on codes; empty: it has, and `conv` (may be null) is set.
std::string refuse_conv_int8(std::shared_ptr<const Quantizer> data, const Options& weight,
                             ConvInt8* conv);

// What conv_int8 gives besides y, or in its place: y rounded to 8-bit codes that share a scale and
// a zero, as the convolution after it reads them.
struct GivenCodes {
  std::shared_ptr<const Quantizer> quantizer;  // null: none
  bool values = true;                          // y itself is given too
  Int8Layout layout = {};
};
// The attributes of conv_int8: int8_attributes, the window, and what follows at once.
std::vector<OptionSpec> conv_int8_attributes();
// Throws Error(invalid_argument) where refuse_conv_int8 has a reason.
ConvInt8 bind_conv_int8(const Options& attributes);
// Throws Error(invalid_argument) for a format whose codes do not share a scale.
GivenCodes bind_given_codes(const Options& attributes);
// Codes of signed formats are moved up by 128; of `columns` numbers of each of `rows` rows, which
// lie `from` numbers apart. A row's codes fill `width`; the next row's begin `to` further on.
void encode_given(const GivenCodes& given, const float* y, std::int64_t from, std::int64_t rows,
                  std::int64_t columns, std::uint8_t* codes, std::int64_t to, std::int64_t width);
// The codes of filters [first, first + count) by rows of a place, i8[count][columns], those that
// fill up 0; their scales [count][weight_scales] (null: the layout is fixed).
void filter_codes(const ConvInt8& conv, const PackedTensor& packed, std::int64_t first,
                  std::int64_t count, std::int8_t* codes, float* scales);

}  // namespace hone
