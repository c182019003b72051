#include "hone/ops/detail/int8.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "hone/core/error.hpp"

namespace hone {

std::int64_t largest_int8_sum(const Int8Layout& data, const Int8Layout& weight,
                              std::int64_t count) {
  const std::int64_t up = data.has_zero ? 0 : 128;
  const std::int64_t down = weight.has_zero ? 128 : 0;
  // A moved code is at most this, and its zero: so is any code less the zero.
  const std::int64_t x = std::max<std::int64_t>(data.high + up, up);
  const std::int64_t w =
      std::max<std::int64_t>(std::abs(weight.low - down), std::abs(weight.high - down));
  // Codes less a zero of their own reach over the whole range.
  const std::int64_t difference = weight.has_zero ? weight.high - weight.low : w;
  return count * x * std::max(w, difference);
}

std::string refuse_int8_sums(const Int8Layout& data, const Int8Layout& weight, std::int64_t count) {
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  if (largest_int8_sum(data, weight, count) <= most) return "";
  return fmt::format("sums of {} products of these codes could exceed 32 bits (up to {} fit)",
                     count, most / largest_int8_sum(data, weight, 1));
}

std::string refuse_int8(std::shared_ptr<const Quantizer> data,
                        std::shared_ptr<const Quantizer> weight, std::int64_t columns,
                        Int8Product* product) {
  const auto x = data->int8_layout(columns);
  const auto w = weight->int8_layout(columns);
  if (!x) return "the data's format has no codes of 8 bits";
  if (!w) return "the weight's format has no codes of 8 bits";
  const std::int64_t blocks[] = {x->block == 0 ? columns : x->block,
                                 w->block == 0 ? columns : w->block};
  const std::int64_t large = std::max(blocks[0], blocks[1]);
  const std::int64_t small = std::min(blocks[0], blocks[1]);
  if (small == 0) return "the products are empty";
  if (small < columns && small % 4 != 0) return "blocks are no multiple of 4";
  if (large < columns && large % small != 0) return "blocks of data and weight do not divide";
  std::string sums = refuse_int8_sums(*x, *w, std::min(small, columns));
  if (!sums.empty()) return sums;
  if (product != nullptr)
    *product = {std::move(data), std::move(weight), *x, *w, columns, std::min(small, columns)};
  return "";
}

std::string refuse_attention_int8(const Quantizer& data, std::int64_t width) {
  const auto layout = data.int8_layout(width);
  if (!layout) return "the format has no codes of 8 bits";
  if (!layout->fixed) return "the format has more than one scale";
  if (layout->has_zero) return "the codes are unsigned";
  if (width % 4 != 0) return "the width is no multiple of 4";
  return refuse_int8_sums(*layout, *layout, width);
}

std::vector<OptionSpec> int8_attributes() {
  std::vector<OptionSpec> specs = packed_attributes();
  for (OptionSpec spec : format_attributes()) {
    spec.name = "data_" + spec.name;
    spec.help += " (of the data)";
    specs.push_back(std::move(spec));
  }
  return specs;
}

Int8Product bind_int8(const Options& attributes) {
  const Shape shape = parse_shape(attributes.text("shape"));
  if (shape.size() != 2)
    throw Error(ErrorCode::invalid_argument, "[linear_int8] the weight has two dimensions");
  std::shared_ptr<const Quantizer> weight = bind_quantizer(attributes);
  std::shared_ptr<const Quantizer> data =
      bind_quantizer(format_options(attributes.text("data_format"), attributes.text("data_options"),
                                    attributes.text("data_rule")));
  Int8Product product;
  const std::string why_not = refuse_int8(std::move(data), std::move(weight), shape[1], &product);
  if (!why_not.empty()) throw Error(ErrorCode::invalid_argument, "[linear_int8] " + why_not);
  return product;
}

void move_up(std::uint8_t* codes, std::int64_t count) {
  using Vector [[gnu::vector_size(32)]] = std::uint64_t;
  std::int64_t i = 0;
  for (; i + 32 <= count; i += 32) {
    Vector vector;
    std::memcpy(&vector, codes + i, 32);
    vector ^= 0x8080808080808080u;
    std::memcpy(codes + i, &vector, 32);
  }
  for (; i < count; ++i) codes[i] ^= 0x80u;
}

}  // namespace hone
