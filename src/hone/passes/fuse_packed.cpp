// Reads packed parameters where they are used instead of making them whole first.
//
//   embedding(dequantize(%c, %s), %ids)            =>  embedding_packed(%ids, %c, %s)
//   linear(quantize(%x), dequantize(%c, %s), %b)   =>  linear_int8(encode_int8(%x), %c, %s, %b)
//   linear(%x, dequantize(%c, %s), %b)             =>  linear_packed(%x, %c, %s, %b)
//
//   attention(quantize(%q), quantize(%k), quantize(%v), %o)
//       =>  attention_int8(encode_int8(%q), encode_int8(%k), encode_int8(%v), %o)
//
// The second where both formats are whole numbers of at most 8 bits times scales, the last where
// there is one scale and all queries of a sequence are wanted.
#include <algorithm>
#include <map>

#include "hone/ops/detail/quantizer.hpp"
#include "hone/passes/detail/rounded_data.hpp"
#include "hone/passes/int8_products.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace fuse_packed_pass {

ValueId input_or_none(const Node& node, std::size_t i) {
  return i < node.inputs.size() ? node.inputs[i] : none;
}

class Fuser {
public:
  explicit Fuser(Graph& graph) : graph_(graph) {}

  int run() {
    int changes = 0;
    const std::size_t count = graph_.nodes.size();
    for (std::size_t n = 0; n < count; ++n) {
      const Node node = graph_.nodes[n];
      ValueId made = none;
      if (node.op == "embedding") made = fuse_embedding(node);
      if (node.op == "linear") made = fuse_linear(node);
      if (node.op == "attention") made = fuse_attention(node);
      if (made == none) continue;
      graph_.replace_uses(node.outputs[0], made);
      ++changes;
    }
    graph_.sort();
    graph_.remove_dead();
    return changes;
  }

private:
  ValueId fuse_embedding(const Node& node) {
    const Node* bits = graph_.producer(node.inputs[0], "dequantize");
    if (bits == nullptr) return none;
    const Node table = *bits;
    return graph_.apply("embedding_packed",
                        {node.inputs[1], table.inputs[0], input_or_none(table, 1)},
                        table.attributes, graph_.value(node.outputs[0]).name + ".packed");
  }

  ValueId fuse_linear(const Node& node) {
    const Node* bits = graph_.producer(node.inputs[1], "dequantize");
    if (bits == nullptr) return none;
    const Node weight = *bits;
    const ValueId codes = weight.inputs[0];
    const ValueId scales = input_or_none(weight, 1);
    const ValueId bias = input_or_none(node, 2);
    const std::string name = graph_.value(node.outputs[0]).name;
    if (refuse_int8_linear(graph_, node.inputs[0], weight.attributes).empty()) {
      const RoundedData rounded = rounded_data(graph_, node.inputs[0]);
      const Node data = *rounded.node;
      Options attributes = weight.attributes;
      for (const char* key : {"format", "rule", "options"})
        attributes.set(std::string("data_") + key, data.attributes.text(key));
      const auto& encoded = encode(data, rounded.rows);
      return graph_.apply("linear_int8", {encoded[0], encoded[1], codes, scales, bias}, attributes,
                          name + ".int8");
    }
    return graph_.apply("linear_packed", {node.inputs[0], codes, scales, bias}, weight.attributes,
                        name + ".packed");
  }

  ValueId fuse_attention(const Node& node) {
    if (!refuse_int8_attention(graph_, node).empty()) return none;
    std::vector<ValueId> inputs;
    Options attributes;
    for (std::size_t i = 0; i < 3; ++i) {
      const Node data = *graph_.producer(node.inputs[i], "quantize");
      attributes = format_of(data);
      inputs.push_back(encode(data, none)[0]);
    }
    inputs.push_back(node.inputs[3]);
    attributes.set("heads", node.attributes.integer("heads"));
    for (const OptionSpec& spec : probabilities_attributes())
      attributes.set(spec.name, node.attributes.text(spec.name));
    return graph_.apply("attention_int8", inputs, attributes,
                        graph_.value(node.outputs[0]).name + ".int8");
  }

  // One encoding serves all products that read it.
  const std::vector<ValueId>& encode(const Node& data, ValueId rows) {
    const auto key = std::pair(data.outputs[0], rows);
    const auto known = encoded_.find(key);
    if (known != encoded_.end()) return known->second;
    ValueId x = data.inputs[0];
    if (rows != none) x = graph_.apply("gather_rows", {x, rows});
    const NodeId made = graph_.append("encode_int8", {x}, format_of(data),
                                      graph_.value(data.inputs[0]).name + ".codes");
    return encoded_[key] = graph_.node(made).outputs;
  }

  Graph& graph_;
  std::map<std::pair<ValueId, ValueId>, std::vector<ValueId>> encoded_;
};

}  // namespace fuse_packed_pass
}  // namespace

Pass pass_fuse_packed() {
  using namespace fuse_packed_pass;
  Pass pass{{"fuse_packed", "reads packed parameters where they are used"}};
  pass.run = [](const PassCall& call) { return Fuser(call.graph).run(); };
  return pass;
}

}  // namespace hone
