#include "hone/ops/detail/conv_int8.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "hone/core/error.hpp"

namespace hone {

std::string refuse_conv_int8(std::shared_ptr<const Quantizer> data, const Options& weight,
                             ConvInt8* conv) {
  const Shape shape = parse_shape(weight.text("shape"));
  if (shape.size() != 4) return "it does not go over planes";
  if (element_count(shape) == 0) return "the products are empty";
  ConvInt8 made;
  made.weight = bind_quantizer(weight);
  made.filters = shape[0];
  made.channels = shape[1];
  made.kernel = {shape[2], shape[3]};
  made.padded = code_columns(made.channels);
  made.taps_last = packed_rows(weight) == TensorRows::last;
  const auto x = data->int8_layout(made.channels);
  const auto w = made.weight->int8_layout(made.taps() * made.channels);
  if (!x) return "the data's format has no codes of 8 bits";
  if (!w) return "the weight's format has no codes of 8 bits";
  if (w->has_zero) return "the codes of the weight count from a zero";
  if (x->has_zero && !x->fixed) return "the codes of each place count from a zero of its own";
  // (Scales of whatever lies in the last dimension are no filter's.)
  if (made.taps_last && !w->fixed) return "the scales of the weight are not its filters'";
  made.data_layout = *x;
  made.weight_layout = *w;
  made.zero = x->has_zero ? x->zero : 128;
  // The longest run of a row in which no scale changes.
  std::int64_t block = made.columns();
  if (!x->fixed) block = x->block == 0 ? made.padded : x->block;
  if (w->block != 0) block = std::min(block, w->block);
  if (block < made.columns()) {
    const bool whole = made.padded == made.channels && block % 4 == 0 && made.channels % block == 0;
    const auto divides = [&](std::int64_t other) { return other == 0 || other % block == 0; };
    if (!whole || !divides(x->block) || !divides(w->block))
      return "blocks do not fill the channels of a tap";
  }
  made.block = block;
  std::string sums = refuse_int8_sums(*x, *w, block);
  if (!sums.empty()) return sums;
  made.data = std::move(data);
  if (conv != nullptr) *conv = std::move(made);
  return "";
}

std::vector<OptionSpec> conv_int8_attributes() {
  std::vector<OptionSpec> specs = int8_attributes();
  for (OptionSpec& spec : window_options()) specs.push_back(std::move(spec));
  specs.push_back({"relu", OptionType::boolean, false, "negative results become 0"});
  specs.push_back({"high", OptionType::real, double{std::numeric_limits<float>::max()},
                   "with relu: the largest result", 0});
  specs.push_back({"give_format", OptionType::text, std::string(),
                   "number format of the codes of y that are given; empty: none are"});
  specs.push_back({"give_rule", OptionType::text, std::string("exact"), "its rule"});
  specs.push_back({"give_options", OptionType::text, std::string(), "its options"});
  specs.push_back({"give_values", OptionType::boolean, true, "y is given itself too"});
  return specs;
}

ConvInt8 bind_conv_int8(const Options& attributes) {
  ConvInt8 conv;
  const std::string why_not = refuse_conv_int8(
      bind_quantizer(format_options(attributes.text("data_format"), attributes.text("data_options"),
                                    attributes.text("data_rule"))),
      attributes, &conv);
  if (!why_not.empty()) throw Error(ErrorCode::invalid_argument, "[conv_int8] " + why_not);
  return conv;
}

GivenCodes bind_given_codes(const Options& attributes) {
  GivenCodes given;
  if (attributes.text("give_format").empty()) return given;
  given.quantizer =
      bind_quantizer(format_options(attributes.text("give_format"), attributes.text("give_options"),
                                    attributes.text("give_rule")));
  const auto layout = given.quantizer->int8_layout(code_columns(1));
  if (!layout || !layout->fixed || layout->block != 0)
    throw Error(ErrorCode::invalid_argument,
                "[conv_int8] give_format: its numbers do not share a scale of 8-bit codes");
  given.layout = *layout;
  given.values = attributes.boolean("give_values");
  return given;
}

void encode_given(const GivenCodes& given, const float* y, std::int64_t from, std::int64_t rows,
                  std::int64_t columns, std::uint8_t* codes, std::int64_t to, std::int64_t width) {
  std::vector<std::int32_t> zeros(static_cast<std::size_t>(rows));
  std::vector<float> scales(static_cast<std::size_t>(rows));
  const auto encode = [&](std::int64_t first, std::int64_t count) {
    std::uint8_t* own = codes + first * to;
    given.quantizer->encode_int8(y + first * from, count, columns,
                                 reinterpret_cast<std::int8_t*>(own), width, scales.data(),
                                 zeros.data());
    if (!given.layout.has_zero) move_up(own, count * width);
  };
  if (from == columns && to == width) return encode(0, rows);
  for (std::int64_t r = 0; r < rows; ++r) encode(r, 1);
}

void filter_codes(const ConvInt8& conv, const PackedTensor& packed, std::int64_t first,
                  std::int64_t count, std::int8_t* codes, float* scales) {
  const std::int64_t taps = conv.taps(), each = taps * conv.channels;
  std::vector<std::int8_t> raw(static_cast<std::size_t>(count * each));
  std::vector<std::int32_t> zeros(static_cast<std::size_t>(count));
  // (By the rows that the format sees: of filters whose order does not matter their own.)
  PackedTensor seen = packed;
  if (conv.taps_last) seen.shape = {conv.filters, each};
  conv.weight->unpack_int8(seen, first, count, raw.data(), each, scales, zeros.data());
  std::fill(codes, codes + count * conv.columns(), std::int8_t{0});
  for (std::int64_t o = 0; o < count; ++o)
    for (std::int64_t t = 0; t < taps; ++t)
      for (std::int64_t c = 0; c < conv.channels; ++c)
        codes[o * conv.columns() + t * conv.padded + c] = raw[static_cast<std::size_t>(
            o * each + (conv.taps_last ? c * taps + t : t * conv.channels + c))];
}

}  // namespace hone
