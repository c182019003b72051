#include "hone/ops/detail/quantizer.hpp"

#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/error.hpp"

namespace hone {

std::vector<OptionSpec> format_attributes() {
  return {{"format", OptionType::text, std::nullopt, "number format"},
          {"rule", OptionType::text, std::string("exact"), "rule under which it rounds"},
          {"options", OptionType::text, std::string(), "of the format: name=value ..."}};
}

OptionSpec slot_attribute() {
  return {.name = "slot",
          .type = OptionType::text,
          .default_value = std::string(),
          .help = "data_out: what the node before gives; empty: what the nodes after read",
          .choices = {"", "data_out"}};
}

OptionSpec rows_attribute() {
  return {.name = "rows",
          .type = OptionType::text,
          .default_value = std::string(name_of(TensorRows::last)),
          .help =
              "what shares a scale or a block: numbers of the last dimension, the channels of "
              "a place, a filter",
          .choices = tensor_rows_names()};
}

TensorRows rows_of(const Options& attributes) {
  return parse_tensor_rows(attributes.text_or("rows", name_of(TensorRows::last)));
}

TensorRows packed_rows(const Options& attributes) {
  return bind_quantizer(attributes)->by_elements() ? TensorRows::last : rows_of(attributes);
}

std::optional<std::int64_t> fixed_row_length(const std::vector<Dim>& dims, TensorRows rows) {
  const bool last = rows == TensorRows::last;
  if (dims.size() < (last ? 1u : 2u)) return std::nullopt;
  const std::size_t first = last ? dims.size() - 1 : 1;
  const std::size_t end = rows == TensorRows::channels ? 2 : dims.size();
  std::int64_t length = 1;
  for (std::size_t i = first; i < end; ++i) {
    if (!dims[i].is_fixed()) return std::nullopt;
    length *= dims[i].offset;
  }
  return length;
}

std::vector<OptionSpec> packed_attributes() {
  std::vector<OptionSpec> specs = format_attributes();
  specs.push_back(rows_attribute());
  specs.push_back({"bits", OptionType::integer, std::nullopt, "of a code", 1, 32});
  specs.push_back({"shape", OptionType::text, std::nullopt, "of the numbers: 128,512"});
  return specs;
}

std::vector<OptionSpec> probabilities_attributes() {
  return {{"probabilities_format", OptionType::text, std::string(),
           "number format of the probabilities; empty: float32"},
          {"probabilities_rule", OptionType::text, std::string("exact"), "its rule"},
          {"probabilities_options", OptionType::text, std::string(), "its options"}};
}

Options probabilities_options(const std::string& format, const std::string& options,
                              const std::string& rule) {
  return {{"probabilities_format", format},
          {"probabilities_rule", rule},
          {"probabilities_options", options}};
}

std::unique_ptr<const Quantizer> bind_probabilities(const Options& attributes) {
  const std::string name = attributes.text_or("probabilities_format", "");
  if (name.empty()) return nullptr;
  auto quantizer =
      bind_quantizer(format_options(name, attributes.text_or("probabilities_options", ""),
                                    attributes.text_or("probabilities_rule", "exact")));
  // A row has as many numbers as its sample has tokens.
  for (const std::int64_t columns : {1, 2, 3})
    if (!quantizer->by_rows(columns))
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("[{}] scales or blocks that several rows share do not fit "
                              "probabilities, which are rounded row by row",
                              name),
                  "give the format a scale, or one scale a row");
  return quantizer;
}

std::unique_ptr<const Quantizer> bind_quantizer(const Options& attributes) {
  const std::string& name = attributes.text("format");
  return by_tensor_rows(
      bind_format(name, attributes.text_or("rule", "exact"),
                  parse_format_options(find_format(name), attributes.text_or("options", ""))),
      rows_of(attributes));
}

Shape parse_shape(const std::string& text) {
  Shape shape;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    std::int64_t size = 0;
    const auto [next, error] = std::from_chars(at, end, size);
    if (error != std::errc() || size < 0 || (next != end && *next != ','))
      throw Error(ErrorCode::invalid_argument, "'" + text + "' is not a shape",
                  "sizes separated by commas: 128,512");
    shape.push_back(size);
    at = next == end ? end : next + 1;
  }
  element_count(shape);  // throws when it overflows
  return shape;
}

std::string shape_attribute(const Shape& shape) { return fmt::format("{}", fmt::join(shape, ",")); }

PackedTensor packed_tensor(const Options& attributes, const Tensor& codes, const Tensor* scales) {
  return {parse_shape(attributes.text("shape")), static_cast<int>(attributes.integer("bits")),
          codes, scales != nullptr ? *scales : Tensor()};
}

void check_packed_types(const std::string& op, const OpTypes& types, std::size_t first) {
  const Options& attributes = *types.attributes;
  const std::int64_t count = element_count(parse_shape(attributes.text("shape")));
  const std::int64_t bits = attributes.integer("bits");
  const bool codes = types.has(first) && is_vector(types[first], DType::u8) &&
                     types[first].dims[0] == Dim((count * bits + 7) / 8);
  const bool scales = !types.has(first + 1) || types[first + 1].dtype == DType::u8 ||
                      types[first + 1].dtype == DType::f32;
  if (!codes || !scales)
    fail_shapes(op, fmt::format("codes u8[{}], scales u8[S] or f32[S,...]", (count * bits + 7) / 8),
                types);
}

Options format_options(const std::string& format, const std::string& options,
                       const std::string& rule) {
  return {{"format", format}, {"rule", rule}, {"options", options}};
}

PackedSample pack_sample(const Tensor& x, const std::string& format, const std::string& options,
                         TensorRows rows) {
  PackedSample sample{{}, {}, format_options(format, options)};
  sample.attributes.set("rows", std::string(name_of(rows)));
  PackedTensor packed = bind_quantizer(sample.attributes)->pack(x);
  sample.codes = packed.codes;
  sample.scales = packed.scales;
  sample.attributes.set("bits", std::int64_t{packed.code_bits});
  sample.attributes.set("shape", shape_attribute(x.shape()));
  return sample;
}

}  // namespace hone
