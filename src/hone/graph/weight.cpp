#include "hone/graph/weight.hpp"

#include <algorithm>

#include "hone/graph/op.hpp"

namespace hone {

namespace {

// The value that one stands for; itself where it stands for none.
ValueId behind_once(const Graph& graph, ValueId id) {
  const Node* producer = graph.producer(id);
  const int input = producer == nullptr ? -1 : find_op(producer->op).stands_for;
  return input < 0 ? id : producer->inputs[static_cast<std::size_t>(input)];
}

}  // namespace

ValueId behind(const Graph& graph, ValueId id) {
  for (ValueId next = behind_once(graph, id); next != id; next = behind_once(graph, id)) id = next;
  return id;
}

bool is_weight(const Graph& graph, ValueId id) {
  if (id == none) return false;
  const Node* producer = graph.producer(id);
  return producer != nullptr ? producer->op == "dequantize"
                             : graph.value(id).kind == ValueKind::parameter;
}

bool follows_from(const Graph& graph, ValueId value, const std::function<bool(ValueId)>& is) {
  std::vector<ValueId> todo{value};
  std::vector<bool> seen(graph.values.size(), false);
  while (!todo.empty()) {
    const ValueId id = todo.back();
    todo.pop_back();
    if (id == none || seen[static_cast<std::size_t>(id)]) continue;
    seen[static_cast<std::size_t>(id)] = true;
    if (is(id)) return true;
    if (const Node* node = graph.producer(id))
      todo.insert(todo.end(), node->inputs.begin(), node->inputs.end());
  }
  return false;
}

bool is_learned(const Graph& graph, ValueId value) {
  return follows_from(graph, value, [&](ValueId id) { return graph.value(id).is_trained(); });
}

std::vector<ValueId> weights_of(const Graph& graph, const Node& node) {
  std::vector<ValueId> weights;
  for (const ValueId input : node.inputs) {
    if (input == none) continue;
    const ValueId id = behind(graph, input);
    if (is_weight(graph, id) && std::find(weights.begin(), weights.end(), id) == weights.end())
      weights.push_back(id);
  }
  return weights;
}

ValueId own_parameter(const Graph& graph, const std::vector<std::vector<NodeId>>& readers,
                      ValueId read) {
  if (read == none) return none;
  const ValueId id = behind(graph, read);
  if (graph.value(id).kind != ValueKind::parameter) return none;
  for (ValueId at = read;; at = behind_once(graph, at)) {
    if (readers[static_cast<std::size_t>(at)].size() != 1) return none;
    for (const auto& [name, output] : graph.outputs)
      if (output == at) return none;
    if (at == id) return id;
  }
}

Graph skeleton(const Graph& graph) {
  Graph bare = graph;
  for (std::size_t n = 0; n < bare.nodes.size(); ++n) {
    const Node node = bare.nodes[n];
    const int input = find_op(node.op).stands_for;
    if (input >= 0)
      bare.replace_uses(node.outputs[0], node.inputs[static_cast<std::size_t>(input)]);
    if (node.op == "dequantize") bare.release(node.outputs[0], ValueKind::parameter);
  }
  bare.remove_dead();
  return bare;
}

std::string layer_name(const std::string& parameter) {
  return parameter.substr(0, parameter.rfind('.'));
}

}  // namespace hone
