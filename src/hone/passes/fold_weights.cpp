// Computes once what follows from tensors of the model alone: rounded and masked weights, vectors
// from packed bits, become constants. For runs that change no parameter.
//
//   %y = linear(%x, quantize(mask(%w, %m)))   =>   %y = linear(%x, %w.q)   const %w.q
//
// Packed matrices stay packed (fuse_packed), and filters that meet rounded data (fuse_conv_int8);
// their bits hold the mask, which goes.
#include <algorithm>

#include "hone/core/error.hpp"
#include "hone/graph/op.hpp"
#include "hone/ops/detail/mask.hpp"
#include "hone/ops/detail/quantizer.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace fold_weights_pass {

bool is_packed(const Graph& graph, const Node& node) {
  return node.op == "dequantize" && graph.type(node.outputs[0]).dims.size() > 1;
}

// Whether a convolution may read the bits as they are, by its rounded data (fuse_conv_int8).
bool meets_codes(const Graph& graph, ValueId filters) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) {
    if (node.op != "conv" || node.inputs[1] != filters || node.attributes.integer("groups") != 1)
      return false;
    return graph.producer(node.inputs[0], "quantize") != nullptr;
  });
}

bool stays_packed(const Graph& graph, const Node& node) {
  const std::size_t rank = graph.type(node.outputs[0]).dims.size();
  return is_packed(graph, node) &&
         (rank == 2 || (rank == 4 && meets_codes(graph, node.outputs[0])));
}

bool has_fixed_sizes(const Graph& graph, const Node& node) {
  for (const ValueId id : node.outputs)
    for (const Dim& dim : graph.type(id).dims)
      if (!dim.is_fixed()) return false;
  return true;
}

std::vector<Tensor> evaluate_node(const Node& node, const std::vector<const Tensor*>& inputs) {
  // (By the formats' own vectors where there are some: references go number by number.)
  if ((node.op == "quantize" || node.op == "quantize_tensor") && inputs.size() == 1)
    return {bind_quantizer(node.attributes)->quantize(*inputs[0])};
  if (node.op == "dequantize")
    return {bind_quantizer(node.attributes)
                ->unpack(packed_tensor(node.attributes, *inputs[0],
                                       inputs.size() > 1 ? inputs[1] : nullptr))};
  if (node.op == "mask") return {apply_mask(*inputs[0], *inputs[1])};
  return evaluate_reference(find_op(node.op), inputs, node.attributes);
}

// Tensors that are not read any more go at once: they are as large as the model.
class Readers {
public:
  explicit Readers(const Graph& graph) : left_(graph.values.size()) {
    const std::vector<std::vector<NodeId>> readers = graph.readers();
    std::transform(readers.begin(), readers.end(), left_.begin(),
                   [](const std::vector<NodeId>& all) { return std::ssize(all); });
    for (const auto& [name, id] : graph.outputs) ++left_[static_cast<std::size_t>(id)];
  }

  // `folded` is read instead of `id`.
  void replace(ValueId id, ValueId folded) {
    left_.resize(std::max(left_.size(), static_cast<std::size_t>(folded) + 1));
    left_[static_cast<std::size_t>(folded)] = left_[static_cast<std::size_t>(id)];
  }
  void forget(const Graph& graph, const Node& node, TensorStore& tensors) {
    for (const ValueId id : node.inputs)
      if (id != none && --left_[static_cast<std::size_t>(id)] == 0)
        tensors.erase(graph.value(id).name);
  }

private:
  std::vector<std::int64_t> left_;  // by value
};

int run(const PassCall& call) {
  Graph& graph = call.graph;
  if (call.tensors == nullptr || !graph.updates.empty()) return 0;
  int changes = 0;
  for (const Node& node : std::vector<Node>(graph.nodes)) {
    const Node* masked = node.op == "mask" ? graph.producer(node.inputs[0]) : nullptr;
    if (masked == nullptr || !is_packed(graph, *masked)) continue;
    graph.replace_uses(node.outputs[0], node.inputs[0]);
    ++changes;
  }
  graph.remove_dead();
  Readers readers(graph);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node node = graph.nodes[n];
    const bool constant = !node.inputs.empty() &&
                          std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) {
                            return id == none || is_tensor_of_model(graph.value(id).kind);
                          });
    // (Repeating is cheaper than reading what was repeated; sizes that a run knows are not there.)
    if (!constant || node.op == "expand" || stays_packed(graph, node) ||
        !has_fixed_sizes(graph, node))
      continue;
    std::vector<const Tensor*> inputs;
    for (const ValueId id : node.inputs)
      inputs.push_back(id == none ? nullptr : &call.tensors->at(graph.value(id).name));
    const std::vector<Tensor> results = evaluate_node(node, inputs);
    for (std::size_t i = 0; i < results.size(); ++i) {
      const ValueId folded =
          graph.add_value(graph.unique_name(graph.value(node.outputs[i]).name + ".folded"),
                          graph.type(node.outputs[i]), ValueKind::constant);
      call.tensors->set(graph.value(folded).name, results[i]);
      readers.replace(node.outputs[i], folded);
      graph.replace_uses(node.outputs[i], folded);
    }
    readers.forget(graph, node, *call.tensors);
    ++changes;
  }
  graph.remove_dead();
  return changes;
}

}  // namespace fold_weights_pass
}  // namespace

Pass pass_fold_weights() {
  using namespace fold_weights_pass;
  Pass pass{{"fold_weights", "computes once what follows from the model's tensors alone"}};
  pass.run = run;
  return pass;
}

}  // namespace hone
