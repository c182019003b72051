#include "hone/ops/detail/int8.hpp"

#include "hone/core/error.hpp"

namespace hone {

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
  return "";
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

}  // namespace hone
