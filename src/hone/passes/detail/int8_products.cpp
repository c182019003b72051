#include "hone/passes/int8_products.hpp"

#include <fmt/format.h>

#include "hone/ops/detail/int8.hpp"
#include "hone/ops/detail/quantizer.hpp"
#include "hone/passes/detail/rounded_data.hpp"

namespace hone {

RoundedData rounded_data(const Graph& graph, ValueId x) {
  if (const Node* picked = graph.producer(x, "gather_rows"))
    return {graph.producer(picked->inputs[0], "quantize"), picked->inputs[1]};
  return {graph.producer(x, "quantize"), none};
}

Options format_of(const Node& data) {
  return format_options(data.attributes.text("format"), data.attributes.text("options"),
                        data.attributes.text("rule"));
}

std::string refuse_int8_linear(const Graph& graph, ValueId x, const Options& weight) {
  const RoundedData data = rounded_data(graph, x);
  if (data.node == nullptr) return "the data is not rounded";
  return refuse_int8(bind_quantizer(data.node->attributes), bind_quantizer(weight),
                     parse_shape(weight.text("shape"))[1], nullptr);
}

std::string refuse_int8_attention(const Graph& graph, const Node& node) {
  if (node.attributes.real_or("dropout", 0.0) > 0) return "it has dropout";
  if (node.inputs.size() > 5 && node.inputs[5] != none) return "queries are picked";
  // The logarithms of the sums are for the gradient.
  const ValueId sums = node.outputs[1];
  if (!graph.readers()[static_cast<std::size_t>(sums)].empty()) return "it is trained";
  for (const auto& [name, id] : graph.outputs)
    if (id == sums) return "it is trained";
  const Dim width = graph.type(node.inputs[0]).dims[1];
  if (!width.is_fixed()) return "its width is not known";
  Options first;
  for (std::size_t i = 0; i < 3; ++i) {
    const Node* rounded = graph.producer(node.inputs[i], "quantize");
    if (rounded == nullptr) return "the data is not rounded";
    if (i > 0 && format_of(*rounded) != first) return "q, k and v have different formats";
    first = format_of(*rounded);
  }
  return refuse_attention_int8(*bind_quantizer(first), width.offset);
}

namespace {

// (Of filters that became float32 their format is not known any more.)
std::string refuse_int8_conv(const Graph& graph, const Node& node) {
  if (node.attributes.integer("groups") != 1) return "its channels are parted in groups";
  const Dim channels = graph.type(node.inputs[0]).dims[3];
  const auto data = bind_quantizer(graph.producer(node.inputs[0], "quantize")->attributes);
  if (!data->int8_layout(channels.is_fixed() ? channels.offset : 1))
    return "the data's format has no codes of 8 bits";
  return "the filters are not packed, or their format does not meet the data's";
}

}  // namespace

std::string why_not_int8(const Graph& graph, const Node& node) {
  if (node.op == "linear_packed") return refuse_int8_linear(graph, node.inputs[0], node.attributes);
  if (node.op == "conv_channels_last" && graph.producer(node.inputs[0], "quantize") != nullptr)
    return refuse_int8_conv(graph, node);
  if (node.op == "attention" && graph.producer(node.inputs[0], "quantize") != nullptr)
    return refuse_int8_attention(graph, node);
  return "";
}

}  // namespace hone
