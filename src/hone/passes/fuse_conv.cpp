// What follows a convolution at once is done while its sums are in registers.
//
//   relu(add(conv_channels_last(%x, %w, %b), %r))
//       =>   conv_channels_last(%x, %w, %b, %r) {relu = true}
#include <algorithm>

#include "hone/graph/weight.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace fuse_conv_pass {

class ConvFuser {
public:
  explicit ConvFuser(Graph& graph) : graph_(graph) {}

  int run() {
    int changes = 0;
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      const NodeId conv{static_cast<std::int32_t>(n)};
      if (graph_.node(conv).op != "conv_channels_last") continue;
      for (NodeId reader = only_reader(graph_.node(conv).outputs[0]);
           reader != none && take(conv, reader); reader = only_reader(graph_.node(conv).outputs[0]))
        ++changes;
    }
    if (changes > 0) {
      // (What is added may be computed after where the convolution stood.)
      graph_.sort();
      graph_.remove_dead();
    }
    return changes;
  }

private:
  NodeId only_reader(ValueId value) const {
    NodeId found = none;
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n)
      for (const ValueId id : graph_.nodes[n].inputs) {
        if (id != value) continue;
        if (found != none) return none;
        found = NodeId{static_cast<std::int32_t>(n)};
      }
    for (const auto& [name, id] : graph_.outputs)
      if (id == value) return none;
    return found;
  }

  // Makes the node that reads the convolution a part of it.
  bool take(NodeId conv, NodeId by) {
    Node& node = graph_.node(conv);
    Node& reader = graph_.node(by);
    if (node.attributes.boolean("relu")) return false;
    const ValueId y = node.outputs[0];
    if (reader.op == "relu") {
      node.attributes.set("relu", true);
    } else if (reader.op == "clip" && reader.attributes.real("low") == 0 &&
               reader.attributes.real("high") >= 0) {
      node.attributes.set("relu", true);
      node.attributes.set("high", reader.attributes.real("high"));
    } else if (reader.op == "add" && (node.inputs.size() < 4 || node.inputs[3] == none)) {
      const ValueId other = reader.inputs[0] == y ? reader.inputs[1] : reader.inputs[0];
      if (other == y || !(graph_.type(other) == graph_.type(y)) || depends_on(other, conv))
        return false;
      node.inputs.resize(4, none);
      node.inputs[3] = other;
    } else {
      return false;
    }
    // The convolution gives what the reader gave.
    graph_.replace_uses(reader.outputs[0], y);
    std::fill(reader.inputs.begin(), reader.inputs.end(), ValueId(none));
    return true;
  }

  // Whether a value follows from the node.
  bool depends_on(ValueId value, NodeId node) const {
    return follows_from(graph_, value,
                        [&](ValueId id) { return graph_.value(id).producer == node; });
  }

  Graph& graph_;
};

}  // namespace fuse_conv_pass
}  // namespace

Pass pass_fuse_conv() {
  using namespace fuse_conv_pass;
  Pass pass{{"fuse_conv", "adds and clips while the sums of a convolution are in registers"}};
  pass.run = [](const PassCall& call) { return ConvFuser(call.graph).run(); };
  return pass;
}

}  // namespace hone
