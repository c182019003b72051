// Convolutions of rounded planes with packed filters run on codes.
//
//   conv_channels_last(quantize(%x), transpose(dequantize(%c, %s)), %b, %a)
//       =>   conv_int8(%x, %c, %s, %b, %a)
//
// Where both formats are whole numbers of at most 8 bits times scales, and channels are not parted
// in groups. Other packed filters become float32 once (fold_weights).
#include "hone/ops/detail/conv_int8.hpp"
#include "hone/passes/detail/rounded_data.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace fuse_conv_int8_pass {

// The packed filters that a convolution reads through a change of order; null: they are not packed.
const Node* packed_filters(const Graph& graph, const Node& conv) {
  const Node* turned = graph.producer(conv.inputs[1], "transpose");
  return turned == nullptr ? nullptr : graph.producer(turned->inputs[0], "dequantize");
}

ValueId fuse(Graph& graph, const Node& conv) {
  const Node* data = graph.producer(conv.inputs[0], "quantize");
  const Node* bits = packed_filters(graph, conv);
  if (data == nullptr || bits == nullptr || conv.attributes.integer("groups") != 1) return none;
  if (!refuse_conv_int8(bind_quantizer(data->attributes), bits->attributes, nullptr).empty())
    return none;
  Options attributes = bits->attributes;
  for (const char* key : {"format", "rule", "options"})
    attributes.set(std::string("data_") + key, data->attributes.text(key));
  for (const auto& [name, value] : conv.attributes.values())
    if (name != "groups") attributes.set(name, value);
  const auto input = [](const Node& node, std::size_t i) {
    return i < node.inputs.size() ? node.inputs[i] : none;
  };
  const std::vector<ValueId> inputs{data->inputs[0], bits->inputs[0], input(*bits, 1),
                                    input(conv, 2), input(conv, 3)};
  return graph.apply("conv_int8", inputs, attributes, graph.value(conv.outputs[0]).name + ".int8");
}

int run(const PassCall& call) {
  Graph& graph = call.graph;
  int changes = 0;
  const std::size_t count = graph.nodes.size();
  for (std::size_t n = 0; n < count; ++n) {
    const Node node = graph.nodes[n];
    if (node.op != "conv_channels_last") continue;
    const ValueId made = fuse(graph, node);
    if (made == none) continue;
    graph.replace_uses(node.outputs[0], made);
    ++changes;
  }
  graph.sort();
  graph.remove_dead();
  return changes;
}

}  // namespace fuse_conv_int8_pass
}  // namespace

Pass pass_fuse_conv_int8() {
  using namespace fuse_conv_int8_pass;
  Pass pass{{"fuse_conv_int8", "runs convolutions of rounded planes on 8-bit codes"}};
  pass.run = run;
  return pass;
}

}  // namespace hone
