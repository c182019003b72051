#include "hone/frontends/onnx/onnx_rounding.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/numerics/format.hpp"
#include "hone/numerics/grid.hpp"
#include "hone/ops/detail/quantizer.hpp"
#include "hone/passes/packing.hpp"

namespace hone {
namespace {

// Whole numbers from low to high, less a zero point, times a step.
struct OnnxCodes {
  int width = 8;
  bool is_signed = true;
  bool floor = false;  // else to nearest, ties to even
  double low = -128, high = 127;
  std::optional<float> step = {};  // nothing: from the numbers themselves
  float zero = 0;
  std::string granularity = "tensor";  // that shares a step where it comes from the numbers
  std::int64_t group = 0;
};

[[noreturn]] void refuse_format(const Options& attributes, const std::string& why,
                                const std::string& hint) {
  const std::string rule = attributes.text_or("rule", "exact");
  throw Error(ErrorCode::unsupported,
              fmt::format("the format {}{}{}{} {}", attributes.text("format"),
                          rule == "exact" ? "" : ", rule " + rule,
                          attributes.text_or("options", "").empty() ? "" : ", ",
                          attributes.text_or("options", ""), why),
              hint);
}

// Nothing for formats that are no whole numbers times a step.
std::optional<OnnxCodes> codes_of(const Options& attributes) {
  const std::string& name = attributes.text("format");
  const std::string rule = attributes.text_or("rule", "exact");
  if (name != "integer" && name != "affine") return std::nullopt;
  const Format& format = find_format(name);
  Options options = parse_format_options(format, attributes.text_or("options", ""));
  for (const OptionSpec& spec : format.options)
    if (!options.contains(spec.name) && spec.default_value)
      options.set(spec.name, *spec.default_value);
  OnnxCodes codes;
  codes.width = static_cast<int>(options.integer("width"));
  const double half = std::ldexp(1.0, codes.width - 1);
  if (codes.width > 24) return std::nullopt;
  if (name == "integer") {
    codes.is_signed = options.boolean("is_signed");
    codes.floor = options.text("rounding") == "floor";
    codes.low = codes.is_signed ? -half : 0;
    codes.high = (codes.is_signed ? half : 2 * half) - 1;
    codes.step =
        std::ldexp(1.0f, -static_cast<int>(options.integer_or("frac_width", codes.width / 2)));
    return codes;
  }
  if (rule != "exact") return std::nullopt;
  codes.is_signed = options.boolean("symmetric");
  codes.low = codes.is_signed ? 1 - half : 0;
  codes.high = (codes.is_signed ? half : 2 * half) - 1;
  codes.granularity = options.text("granularity");
  codes.group = options.integer("group_size");
  if (options.contains("scale")) {
    codes.step = static_cast<float>(options.real("scale"));
    codes.zero = static_cast<float>(options.integer_or("zero_point", 0));
  }
  return codes;
}

constexpr const char* other_formats =
    "formats integer and affine have a meaning there; hone quantize --dequantize gives float32";

// The element type of ONNX that holds the codes, its bits and least number, and what is added to
// codes and zero points.
struct OnnxContainer {
  std::int64_t type;
  int bits;
  std::int64_t least, shift;
};

// What takes 8 bits is unsigned, data and weights, whatever the format: ONNX Runtime makes data so
// on machines without VNNI, where products of such data with signed weights overflow 16 bits, and
// what it rewrites from operator set 21 on is refused by itself.
OnnxContainer container_of(const OnnxCodes& codes, const Options& attributes, std::int64_t opset,
                           bool four_bits) {
  const bool is_signed = codes.is_signed;
  if (four_bits && codes.width <= 4 && opset >= 21)
    return {is_signed ? 22 : 21, 4, is_signed ? -8 : 0, 0};
  if (codes.width <= 8) return {2, 8, 0, is_signed ? 128 : 0};
  if (codes.width > 16)
    refuse_format(attributes, "has more than 16 bits: QuantizeLinear has none so wide",
                  "without --qdq it is written as arithmetic");
  if (opset < 21)
    refuse_format(attributes,
                  fmt::format("has more than 8 bits, which is of operator set 21 and newer, "
                              "not of {}",
                              opset),
                  "--opset 21");
  return {is_signed ? 5 : 4, 16, is_signed ? -32768 : 0, 0};
}

OnnxRaw raw_of(std::int64_t type, int bits, const std::vector<std::int64_t>& numbers, Shape shape) {
  OnnxRaw raw{.type = type, .shape = std::move(shape), .bytes = {}};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto number = static_cast<std::uint64_t>(numbers[i]);
    if (bits == 4 && i % 2 == 1)
      raw.bytes.back() = static_cast<char>(static_cast<unsigned char>(raw.bytes.back()) |
                                           static_cast<unsigned char>((number & 15) << 4));
    else if (bits == 4)
      raw.bytes.push_back(static_cast<char>(number & 15));
    else
      for (int b = 0; b < bits; b += 8) raw.bytes.push_back(static_cast<char>(number >> b & 255));
  }
  return raw;
}

// Scales and zero points of a weight: of all of it, of each place of an axis, or of blocks along
// the last one.
std::string dequantized(OnnxBuilder& builder, const PackedTensor& packed, const OnnxCodes& codes,
                        const Options& attributes, const std::string& name) {
  const auto [type, bits, least, shift] = container_of(codes, attributes, builder.opset(), true);
  std::vector<std::int64_t> numbers;
  const auto* bytes = packed.codes.as<std::uint8_t>();
  const std::int64_t count = element_count(packed.shape);
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t code = 0;
    for (int b = 0; b < packed.code_bits; ++b) {
      const std::int64_t at = i * packed.code_bits + b;
      code |= (static_cast<std::uint32_t>(bytes[at / 8]) >> (at % 8) & 1u) << b;
    }
    auto number = static_cast<std::int64_t>(code);
    if (codes.is_signed && (code >> (packed.code_bits - 1)) != 0)
      number -= std::int64_t{1} << packed.code_bits;
    numbers.push_back(number + shift);
  }
  // Filters lie place by place, the tensor channel by channel.
  const TensorRows rows = packed_rows(attributes);
  const bool filters = rows == TensorRows::filters && packed.shape.size() > 1;
  if (filters) {
    const std::vector<std::int64_t> packed_order = numbers;
    const std::int64_t channels = packed.shape[1];
    const std::int64_t taps = count == 0 ? 0 : count / (packed.shape[0] * channels);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t o = i / (channels * taps), c = i / taps % channels, t = i % taps;
      numbers[static_cast<std::size_t>(i)] =
          packed_order[static_cast<std::size_t>((o * taps + t) * channels + c)];
    }
  }
  const std::int64_t columns = row_length(packed.shape, rows);
  const std::int64_t groups = packed.scales.empty() ? 1 : packed.scales.shape()[0];
  Shape shape;
  OnnxAttributes where;
  if (groups > 1) {
    const std::int64_t width =
        codes.granularity == "group" ? std::min(codes.group, columns) : columns;
    if ((packed.shape.size() == 2 || filters) && width == columns) {
      shape = {groups};
      where["axis"] = onnx_value(std::int64_t{0});
    } else if (filters) {
      refuse_format(attributes, "has steps of groups that cross the places of a filter",
                    "granularity=channel gives each filter one");
    } else if (!packed.shape.empty() && columns > 0) {
      if (builder.opset() < 21)
        refuse_format(
            attributes,
            fmt::format("has steps of blocks, which are of operator set 21 and newer, not of {}",
                        builder.opset()),
            "--opset 21");
      shape = packed.shape;
      shape.back() = (columns + width - 1) / width;
      where["axis"] = onnx_value(static_cast<std::int64_t>(shape.size()) - 1);
      where["block_size"] = onnx_value(width);
    }
  }
  Tensor steps(DType::f32, shape);
  std::vector<std::int64_t> zeros;
  for (std::int64_t g = 0; g < groups; ++g) {
    const float* own = packed.scales.empty() ? nullptr : packed.scales.as<float>() + 2 * g;
    steps.as<float>()[g] = own == nullptr ? *codes.step : own[0];
    zeros.push_back(shift + (own == nullptr ? 0 : static_cast<std::int64_t>(own[1])));
  }
  const std::string integers =
      builder.raw(raw_of(type, bits, numbers, packed.shape), name + ".integers");
  const std::string step = builder.tensor(std::move(steps), name + ".scale");
  const std::string zero = builder.raw(raw_of(type, bits, zeros, shape), name + ".zero_point");
  return builder.add("DequantizeLinear", {integers, step, zero}, std::move(where), 1, name).front();
}

// In float32, as hone computes it: grid.hpp.
std::string as_arithmetic(OnnxBuilder& b, const std::string& x, const ValueType& type,
                          const OnnxCodes& codes, const Options& attributes) {
  const auto number = [&](double value) { return b.number(value, DType::f32); };
  const char* nearest = codes.floor ? "Floor" : "Round";
  if (codes.step) {
    const std::string places = b.add(nearest, {b.add("Mul", {x, number(1.0f / *codes.step)})});
    const std::string code =
        b.add("Clip", {places, number(codes.low - codes.zero), number(codes.high - codes.zero)});
    return b.add("Mul", {code, number(*codes.step)});
  }
  if (codes.granularity == "group")
    refuse_format(attributes, "takes steps of groups of data from the data",
                  "granularity=channel, or --calibrate");
  // Of what shares a step: all of it, or a row.
  std::vector<std::int64_t> axes;
  const auto rank = static_cast<std::int64_t>(type.dims.size());
  const TensorRows rows = rows_of(attributes);
  const bool whole = codes.granularity == "tensor";
  const std::int64_t first = whole ? 0 : rows == TensorRows::last ? rank - 1 : 1;
  const std::int64_t end = !whole && rows == TensorRows::channels ? 2 : rank;
  for (std::int64_t d = first; d < end; ++d) axes.push_back(d);
  const std::string least_step = number(std::numeric_limits<float>::min());
  const std::string high = number(codes.high);
  if (codes.is_signed) {
    const std::string largest = b.reduce("ReduceMax", b.add("Abs", {x}), axes, true);
    const std::string step = b.add("Max", {b.add("Div", {largest, high}), least_step});
    const std::string places = b.add("Round", {b.add("Mul", {x, b.add("Div", {number(1), step})})});
    return b.add("Mul", {b.add("Clip", {places, number(codes.low), high}), step});
  }
  const std::string zero = number(0);
  const std::string most = b.add("Max", {b.reduce("ReduceMax", x, axes, true), zero});
  const std::string least = b.add("Min", {b.reduce("ReduceMin", x, axes, true), zero});
  const std::string step = b.add(
      "Max", {b.add("Sub", {b.add("Div", {most, high}), b.add("Div", {least, high})}), least_step});
  const std::string below = b.add("Round", {b.add("Div", {b.add("Neg", {least}), step})});
  const std::string point = b.add("Clip", {below, zero, high});
  const std::string places = b.add("Round", {b.add("Mul", {x, b.add("Div", {number(1), step})})});
  const std::string bounded =
      b.add("Min", {b.add("Max", {places, b.add("Neg", {point})}), b.add("Sub", {high, point})});
  return b.add("Mul", {bounded, step});
}

}  // namespace

std::optional<std::string> rounded_weight(OnnxBuilder& builder, ValueId id,
                                          const std::string& name) {
  const Graph& graph = builder.graph();
  const Node* node = graph.producer(id);
  // (The bits of a weight hold its mask.)
  if (node != nullptr && node->op == "mask") {
    node = graph.producer(node->inputs[0], "dequantize");
    if (node == nullptr) return std::nullopt;
  }
  const bool is_packed = node != nullptr && node->op == "dequantize";
  if (!is_packed && (node == nullptr || (node->op != "quantize" && node->op != "quantize_tensor")))
    return std::nullopt;
  const auto codes = codes_of(node->attributes);
  if (!codes || codes->floor)
    refuse_format(node->attributes, "has no meaning in ONNX", other_formats);
  PackedTensor packed;
  if (is_packed) {
    const TensorStore& tensors = builder.model().tensors;
    packed = packed_tensor(
        node->attributes, tensors.at(graph.value(node->inputs[0]).name),
        node->inputs.size() > 1 ? &tensors.at(graph.value(node->inputs[1]).name) : nullptr);
  } else {
    packed = bind_quantizer(node->attributes)->pack(builder.numbers_of(node->inputs[0]));
  }
  return dequantized(builder, packed, *codes, node->attributes, name);
}

std::string rounded_data(OnnxBuilder& builder, const std::string& x, const ValueType& type,
                         const Options& attributes) {
  const auto codes = codes_of(attributes);
  if (!codes) refuse_format(attributes, "has no meaning in ONNX", other_formats);
  if (!builder.qdq()) return as_arithmetic(builder, x, type, *codes, attributes);
  if (!codes->step)
    refuse_format(attributes,
                  "takes the steps of data from the data, which QuantizeLinear does not",
                  "hone quantize --calibrate DATA gives them steps of their own");
  if (codes->floor)
    refuse_format(attributes, "rounds down: QuantizeLinear rounds to nearest",
                  "rounding=nearest, or without --qdq");
  const auto [number, bits, least, shift] =
      container_of(*codes, attributes, builder.opset(), false);
  std::string y = x;
  // What is narrower than its type is bounded before, also by a single code: symmetric ones of all
  // its bits begin one above the least.
  if (codes->width < bits || codes->low + static_cast<double>(shift) > static_cast<double>(least))
    y = builder.add("Clip",
                    {y, builder.number((codes->low - codes->zero) * *codes->step, DType::f32),
                     builder.number((codes->high - codes->zero) * *codes->step, DType::f32)});
  const std::string step = builder.number(*codes->step, DType::f32);
  const std::string zero = builder.raw(
      raw_of(number, bits, {static_cast<std::int64_t>(codes->zero) + shift}, {}), "zero");
  return builder.add("DequantizeLinear",
                     {builder.add("QuantizeLinear", {y, step, zero}), step, zero});
}

}  // namespace hone
