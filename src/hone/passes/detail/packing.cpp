#include "hone/passes/packing.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/threads.hpp"
#include "hone/graph/weight.hpp"
#include "hone/ops/detail/mask.hpp"
#include "hone/ops/detail/quantizer.hpp"
#include "hone/passes/detail/rounding.hpp"
#include "hone/passes/format_checks.hpp"
#include "hone/passes/learned_steps.hpp"
#include "hone/passes/lora.hpp"
#include "hone/passes/prune.hpp"
#include "hone/passes/quantization.hpp"

namespace hone {
namespace {

PackedTensor packed_of(const Model& model, const Node& node) {
  const Tensor& codes = model.tensors.at(model.graph.value(node.inputs[0]).name);
  const Tensor* scales =
      node.inputs.size() > 1 ? &model.tensors.at(model.graph.value(node.inputs[1]).name) : nullptr;
  return packed_tensor(node.attributes, codes, scales);
}

}  // namespace

void set_formats(Model& model, const Quantization& quantization) {
  unpack_weights(model);
  refuse_shared_scales(model.graph, quantization);
  apply_formats(model.graph, quantization);
  TensorStore kept;
  for (const std::string& name : model.tensors.names())
    if (model.graph.find(name) != none) kept.set(name, model.tensors.at(name));
  model.tensors = std::move(kept);
  refuse_formats_without_zero(model);
}

std::string codes_name(const std::string& parameter) { return parameter + ".codes"; }
std::string scales_name(const std::string& parameter) { return parameter + ".scales"; }

bool is_packed(const Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                     [](const Node& node) { return node.op == "dequantize"; });
}

void pack_weights(Model& model) {
  Quantization formats = formats_of(model.graph);
  if (formats.empty())
    throw Error(ErrorCode::invalid_argument, "the model has no formats to pack its parameters in");
  auto chosen = quantized_parameters(model.graph, formats);
  chosen.erase(std::remove_if(chosen.begin(), chosen.end(),
                              [&](const auto& one) {
                                return model.graph.producer(model.graph.find(one.first)) != nullptr;
                              }),
               chosen.end());
  const std::map<std::string, std::string> masks = masks_of(model.graph);
  // As its readers see a weight before they round it.
  const auto masked = [&](const std::string& name) {
    const Tensor& weight = model.tensors.at(name);
    const auto mask = masks.find(name);
    return mask == masks.end() ? weight : apply_mask(weight, model.tensors.at(mask->second));
  };
  std::vector<PackedTensor> made(chosen.size());
  parallel_items(static_cast<std::int64_t>(chosen.size()), [&](std::int64_t i, int) {
    const auto& [name, format] = chosen[static_cast<std::size_t>(i)];
    try {
      made[static_cast<std::size_t>(i)] =
          bind_for(model.graph, model.graph.find(name), format)->pack(masked(name));
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("parameter '{}': {}", name, error.message()),
                  error.hint());
    }
  });
  // What is packed is rounded: its bits are.
  for (NodeFormats& node : formats)
    for (const Slot slot : {Slot::weight, Slot::bias}) node.slots.erase(slot);
  Graph& graph = model.graph;
  apply_formats(graph, formats);
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const auto& [name, format] = chosen[i];
    const PackedTensor& packed = made[i];
    const ValueId codes = graph.buffer(codes_name(name), {DType::u8, {Dim(packed.codes.size())}});
    model.tensors.set(codes_name(name), packed.codes);
    std::vector<ValueId> inputs{codes};
    if (!packed.scales.empty()) {
      ValueType type{packed.scales.dtype(), {}};
      for (const std::int64_t size : packed.scales.shape()) type.dims.emplace_back(size);
      inputs.push_back(graph.buffer(scales_name(name), type));
      model.tensors.set(scales_name(name), packed.scales);
    }
    Options attributes = format_options(format.format, format.options, format.rule);
    attributes.set("bits", std::int64_t{packed.code_bits});
    attributes.set("shape", shape_attribute(packed.shape));
    if (const TensorRows rows = rows_of(graph, graph.find(name), format); rows != TensorRows::last)
      attributes.set("rows", std::string(name_of(rows)));
    graph.compute(graph.find(name), "dequantize", inputs, attributes);
  }
  graph.sort();
  graph.remove_dead();
  keep_named_tensors(model);
}

void unpack_weights(Model& model) {
  if (!is_packed(model.graph)) return;
  Graph& graph = model.graph;
  const bool adapted = has_adapters(graph);
  const Quantization formats = formats_of(graph);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node node = graph.nodes[n];
    if (node.op != "dequantize") continue;
    const std::string name = graph.value(node.outputs[0]).name;
    model.tensors.set(name, bind_quantizer(node.attributes)->unpack(packed_of(model, node)));
    graph.release(node.outputs[0], ValueKind::parameter);
    // Below adapters nothing is trained.
    graph.value(node.outputs[0]).frozen = adapted;
  }
  graph.remove_dead();
  apply_formats(graph, formats);
  keep_named_tensors(model);
}

std::int64_t stored_bytes(const Model& model, ValueId weight) {
  const Node* packed = model.graph.producer(weight);
  if (packed == nullptr)
    return static_cast<std::int64_t>(model.tensors.at(model.graph.value(weight).name).bytes());
  std::int64_t bytes = 0;
  for (const ValueId id : packed->inputs)
    bytes += static_cast<std::int64_t>(model.tensors.at(model.graph.value(id).name).bytes());
  return bytes;
}

Tensor effective_weight(const Model& model, ValueId read) {
  const Graph& graph = model.graph;
  const Node* node = graph.producer(read);
  if (node == nullptr) return model.tensors.at(graph.value(read).name);
  if (node->op == "dequantize")
    return bind_quantizer(node->attributes)->unpack(packed_of(model, *node));
  const Tensor before = effective_weight(model, node->inputs[0]);
  if (node->op == "mask")
    return apply_mask(before, model.tensors.at(graph.value(node->inputs[1]).name));
  if (node->op == "quantize_learned") {
    const float step = model.tensors.at(graph.value(node->inputs[1]).name).as<float>()[0];
    return freeze_step(learned_choice(*node), step).bind()->quantize(before);
  }
  if (!is_rounding(*node))
    throw Error(ErrorCode::internal, fmt::format("%{} is computed by [{}]: it is no weight",
                                                 graph.value(read).name, node->op));
  return bind_quantizer(node->attributes)->quantize(before);
}

void check_packed(const Model& model) {
  for (const Node& node : model.graph.nodes) {
    if (node.op != "dequantize") continue;
    try {
      bind_quantizer(node.attributes)->check(packed_of(model, node));
    } catch (const Error& error) {
      throw Error(
          ErrorCode::bad_format,
          fmt::format("packed '{}': {}", model.graph.value(node.outputs[0]).name, error.message()),
          "the weights are damaged, or their graph belongs to another model");
    }
  }
}

}  // namespace hone
