#include "hone/graph/verify.hpp"

#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/graph/op.hpp"

namespace hone {
namespace {

[[noreturn]] void fail(const Graph& graph, const std::string& message) {
  throw Error(ErrorCode::internal, fmt::format("graph {}: {}", graph.name, message));
}

std::string describe(const Graph& graph, const Node& node) {
  return fmt::format("%{} = {}(...)", node.outputs.empty() ? "?" : graph.value(node.outputs[0]).name, node.op);
}

void verify_node(const Graph& graph, std::size_t index, const std::vector<bool>& defined) {
  const Node& node = graph.nodes[index];
  const Op& op = find_op(node.op);
  OpTypes types{{}, &node.attributes};
  for (ValueId id : node.inputs) {
    if (id != none && !defined[static_cast<std::size_t>(id)])
      fail(graph, fmt::format("{} reads %{} before it is computed", describe(graph, node), graph.value(id).name));
    types.inputs.push_back(id == none ? nullptr : &graph.type(id));
  }
  if (node.inputs.size() < op.min_inputs || node.inputs.size() > op.max_inputs)
    fail(graph, fmt::format("{} has {} inputs", describe(graph, node), node.inputs.size()));
  for (std::size_t i = 0; i < op.min_inputs; ++i)
    if (node.inputs[i] == none) fail(graph, fmt::format("{} lacks input {}", describe(graph, node), i));
  if (!(complete_options(op.options, node.attributes, "[" + node.op + "]") == node.attributes))
    fail(graph, fmt::format("{} has incomplete attributes", describe(graph, node)));
  const std::vector<ValueType> results = op.infer(types);
  if (results.size() != node.outputs.size())
    fail(graph, fmt::format("{} has {} outputs, expected {}", describe(graph, node), node.outputs.size(),
                            results.size()));
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Value& value = graph.value(node.outputs[i]);
    if (!(value.type == results[i]))
      fail(graph, fmt::format("%{} has type {}, {} gives {}", value.name, to_string(value.type), node.op,
                              to_string(results[i])));
    if (value.producer != static_cast<NodeId>(index) || value.kind != ValueKind::node)
      fail(graph, fmt::format("%{} does not name its producer", value.name));
  }
}

void verify_in_place(const Graph& graph) {
  // Once overwritten, the old value must not be read again.
  std::set<ValueId> overwritten;
  for (const Node& node : graph.nodes) {
    for (ValueId id : node.inputs)
      if (overwritten.count(id) != 0)
        fail(graph, fmt::format("{} reads %{} after it was overwritten", describe(graph, node), graph.value(id).name));
    const Op& op = find_op(node.op);
    for (std::size_t i = 0; i < op.in_place.size(); ++i)
      if (op.in_place[i] >= 0) overwritten.insert(node.inputs[static_cast<std::size_t>(op.in_place[i])]);
  }
}

}  // namespace

void verify_graph(const Graph& graph) {
  std::vector<bool> defined(graph.values.size(), false);
  for (std::size_t v = 0; v < graph.values.size(); ++v) defined[v] = graph.values[v].kind != ValueKind::node;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    verify_node(graph, n, defined);
    for (ValueId id : graph.nodes[n].outputs) {
      if (defined[static_cast<std::size_t>(id)])
        fail(graph, fmt::format("%{} is computed twice", graph.value(id).name));
      defined[static_cast<std::size_t>(id)] = true;
    }
  }
  verify_in_place(graph);
  for (const auto& [key, id] : graph.outputs)
    if (!defined[static_cast<std::size_t>(id)]) fail(graph, fmt::format("output '{}' is never computed", key));
  for (const auto& [target, id] : graph.updates) {
    if (!(graph.type(target) == graph.type(id)))
      fail(graph, fmt::format("update of %{} by %{}: {} and {} differ", graph.value(target).name,
                              graph.value(id).name, to_string(graph.type(target)), to_string(graph.type(id))));
  }
}

}  // namespace hone
