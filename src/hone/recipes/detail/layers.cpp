#include "hone/recipes/layers.hpp"

#include <algorithm>
#include <set>

#include "hone/graph/dim.hpp"
#include "hone/graph/op.hpp"
#include "hone/graph/weight.hpp"
#include "hone/passes/packing.hpp"
#include "hone/passes/prune.hpp"
#include "hone/passes/quantization.hpp"

namespace hone {
namespace {

// {"weight": "integer width=8", ...} of a node.
std::map<std::string, std::string> describe_slots(const Quantization& quantization,
                                                  const std::string& node) {
  std::map<std::string, std::string> formats;
  for (const NodeFormats& chosen : quantization)
    if (chosen.node == node)
      for (const auto& [slot, choice] : chosen.slots)
        formats[slot_names[static_cast<std::size_t>(slot)]] = to_string(choice);
  return formats;
}

// Multiply-adds of a node for the given sizes.
double products(const Graph& graph, const Node& node, const DimSizes& sizes) {
  if (node.op == "attention") {
    // Every token meets every token of its sample twice: the scores and the mix of the values.
    const Shape keys = evaluate(graph.type(node.inputs[1]), sizes);
    return 2.0 * static_cast<double>(keys[0]) * static_cast<double>(keys[0] * keys[1]);
  }
  static const std::set<std::string> product_ops{"linear", "matmul",         "batch_matmul",
                                                 "conv",   "conv_transpose", "dense_attention"};
  if (!product_ops.contains(node.op)) return 0;
  std::vector<Shape> shapes;
  for (ValueId id : node.inputs)
    shapes.push_back(id == none ? Shape() : evaluate(graph.type(id), sizes));
  return find_op(node.op).flop(shapes, node.attributes) / 2;
}

}  // namespace

DimSizes all_sizes(const Graph& graph, DimSizes known) {
  for (const Value& value : graph.values)
    for (const Dim& dim : value.type.dims)
      for (const std::string& name : names_of(dim)) known.emplace(name, 1);
  return known;
}

std::vector<LayerEntry> describe_layers(const Model& model, std::int64_t tokens_per_sample) {
  const Graph& graph = model.graph;
  const Quantization quantization = formats_of(graph);
  const std::map<std::string, std::string> masks = masks_of(graph);
  // (Of other models than those of texts a sample is one "token".)
  const std::int64_t tokens =
      model.limits.vocabulary > 0 ? std::max<std::int64_t>(tokens_per_sample, 1) : 1;
  const DimSizes sizes = all_sizes(graph, {{"T", tokens}, {"B", 1}});
  std::vector<LayerEntry> layers;
  std::set<std::string> counted;
  for (const Node& node : graph.nodes) {
    if (find_op(node.op).stands_for >= 0 || node.op == "dequantize") continue;
    std::string name;
    std::int64_t parameters = 0;
    std::int64_t bytes = 0;
    std::int64_t dropped = 0;
    for (const ValueId id : weights_of(graph, node)) {
      const std::string& parameter = graph.value(id).name;
      if (name.empty()) name = layer_name(parameter);
      // A table that two nodes share is counted where it is met first.
      if (!counted.insert(parameter).second) continue;
      const std::int64_t count = element_count(evaluate(graph.type(id), sizes));
      parameters += count;
      bytes += stored_bytes(model, id);
      const auto mask = masks.find(parameter);
      if (mask == masks.end()) continue;
      bytes += static_cast<std::int64_t>(model.tensors.at(mask->second).bytes());
      dropped += dropped_count(model.tensors.at(mask->second));
    }
    const double macs = products(graph, node, sizes);
    if (name.empty() && macs == 0) continue;
    if (name.empty()) name = graph.value(node.outputs[0]).name;
    layers.push_back({.name = name,
                      .op = node.op,
                      .parameters = static_cast<double>(parameters),
                      .bytes = static_cast<double>(bytes),
                      .macs_per_token = macs / static_cast<double>(tokens),
                      .formats = describe_slots(quantization, graph.value(node.outputs[0]).name)});
    if (dropped > 0) layers.back().dropped = static_cast<double>(dropped);
  }
  return layers;
}

}  // namespace hone
