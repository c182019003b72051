// A vector that is added behind a linear layer is its bias: one pass over memory less, and a layer
// as others are.
//
//   add(expand(%b), reshape(linear(%x, %w)))   =>   reshape(linear(%x, %w, %b))
#include <algorithm>

#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace fuse_bias_pass {

class BiasFuser {
public:
  explicit BiasFuser(Graph& graph) : graph_(graph) {}

  int run() {
    int changes = 0;
    const std::size_t count = graph_.nodes.size();
    readers_ = graph_.readers();
    for (std::size_t n = 0; n < count; ++n) {
      const Node node = graph_.nodes[n];
      if (node.op == "add" && (fuse(node, 0) || fuse(node, 1))) ++changes;
    }
    if (changes > 0) {
      graph_.sort();
      graph_.remove_dead();
    }
    return changes;
  }

private:
  bool is_inner(ValueId id) const { return graph_.only_reader(id, readers_) != nullptr; }

  // The vector that is repeated for every row, or none.
  ValueId vector_of(ValueId id, const Dim& size) const {
    while (const Node* node = graph_.producer(id, "expand")) id = node->inputs[0];
    const Value& value = graph_.value(id);
    const bool fits = is_tensor_of_model(value.kind) && value.type.dtype == DType::f32 &&
                      value.type.dims == std::vector<Dim>{size};
    return fits ? id : ValueId(none);
  }

  bool fuse(const Node& sum, std::size_t side) {
    ValueId y = sum.inputs[side];
    if (!is_inner(y)) return false;
    const Node* turned = graph_.producer(y, "reshape");
    if (turned != nullptr &&
        graph_.type(turned->inputs[0]).dims.back() == graph_.type(y).dims.back())
      y = turned->inputs[0];
    else
      turned = nullptr;
    const Node* linear = graph_.producer(y, "linear");
    if (linear == nullptr || linear->inputs.size() > 2 || !is_inner(y)) return false;
    const ValueId bias = vector_of(sum.inputs[1 - side], graph_.type(y).dims.back());
    if (bias == none) return false;
    const Options shape = turned == nullptr ? Options{} : turned->attributes;
    const bool reshaped = turned != nullptr;
    const Node layer = *linear;  // (Nodes that are added move the others.)
    ValueId made = graph_.apply("linear", {layer.inputs[0], layer.inputs[1], bias},
                                layer.attributes, graph_.value(y).name);
    if (reshaped) made = graph_.apply("reshape", {made}, shape);
    graph_.replace_uses(sum.outputs[0], made);
    return true;
  }

  Graph& graph_;
  std::vector<std::vector<NodeId>> readers_;
};

}  // namespace fuse_bias_pass
}  // namespace

Pass pass_fuse_bias() {
  using namespace fuse_bias_pass;
  Pass pass{{"fuse_bias", "makes vectors that are added behind linear layers their biases"}};
  pass.run = [](const PassCall& call) {
    return call.graph.updates.empty() ? BiasFuser(call.graph).run() : 0;
  };
  return pass;
}

}  // namespace hone
