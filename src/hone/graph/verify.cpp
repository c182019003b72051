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
  return fmt::format("%{} = {}(...)",
                     node.outputs.empty() ? "?" : graph.value(node.outputs[0]).name, node.op);
}

bool is_kept(const Graph& graph, ValueId id) {
  const ValueKind kind = graph.value(id).kind;
  return kind == ValueKind::parameter || kind == ValueKind::state || kind == ValueKind::buffer;
}

// Everything below follows ids without looking; so these come first.
void verify_ids(const Graph& graph) {
  const auto check = [&](ValueId id, bool may_be_absent, const std::string& what) {
    if (may_be_absent && id == none) return;
    if (id < ValueId{0} || static_cast<std::size_t>(id) >= graph.values.size())
      fail(graph, fmt::format("{} names a value that the graph does not have", what));
  };
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const std::string what = fmt::format("node {} ({})", n, graph.nodes[n].op);
    for (ValueId id : graph.nodes[n].inputs) check(id, true, what);
    for (ValueId id : graph.nodes[n].outputs) check(id, false, what);
  }
  for (const auto& [key, id] : graph.outputs) check(id, false, "output '" + key + "'");
  for (const auto& [target, id] : graph.updates) {
    check(target, false, "an update");
    check(id, false, "an update");
  }
}

void verify_node(const Graph& graph, std::size_t index, const std::vector<bool>& defined) {
  const Node& node = graph.nodes[index];
  const Op& op = find_op(node.op);
  OpTypes types{{}, &node.attributes};
  for (ValueId id : node.inputs) {
    if (id != none && !defined[static_cast<std::size_t>(id)])
      fail(graph, fmt::format("{} reads %{} before it is computed", describe(graph, node),
                              graph.value(id).name));
    types.inputs.push_back(id == none ? nullptr : &graph.type(id));
  }
  if (node.inputs.size() < op.min_inputs || node.inputs.size() > op.max_inputs)
    fail(graph, fmt::format("{} has {} inputs", describe(graph, node), node.inputs.size()));
  for (std::size_t i = 0; i < op.min_inputs; ++i)
    if (node.inputs[i] == none)
      fail(graph, fmt::format("{} lacks input {}", describe(graph, node), i));
  if (!(complete_options(op.options, node.attributes, "[" + node.op + "]") == node.attributes))
    fail(graph, fmt::format("{} has incomplete attributes", describe(graph, node)));
  const std::vector<ValueType> results = op.infer(types);
  if (results.size() != node.outputs.size())
    fail(graph, fmt::format("{} has {} outputs, expected {}", describe(graph, node),
                            node.outputs.size(), results.size()));
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Value& value = graph.value(node.outputs[i]);
    if (!(value.type == results[i]))
      fail(graph, fmt::format("%{} has type {}, {} gives {}", value.name, to_string(value.type),
                              node.op, to_string(results[i])));
    if (value.producer != static_cast<NodeId>(index) || value.kind != ValueKind::node)
      fail(graph, fmt::format("%{} does not name its producer", value.name));
  }
}

void verify_in_place(const Graph& graph) {
  // Once overwritten, the old value must not be read again.
  std::set<ValueId> overwritten;
  const auto check = [&](ValueId id, const std::string& reader) {
    if (overwritten.count(id) != 0)
      fail(graph,
           fmt::format("{} reads %{} after it was overwritten", reader, graph.value(id).name));
  };
  for (const Node& node : graph.nodes) {
    for (ValueId id : node.inputs) check(id, describe(graph, node));
    const Op& op = find_op(node.op);
    for (std::size_t i = 0; i < op.in_place.size(); ++i) {
      if (op.in_place[i] < 0) continue;
      const ValueId target = node.inputs[static_cast<std::size_t>(op.in_place[i])];
      ValueId owner = target;
      // What overwrote a state may be overwritten in its turn.
      while (!is_kept(graph, owner) && graph.value(owner).producer != none) {
        const Node& producer = graph.node(graph.value(owner).producer);
        const Op& producer_op = find_op(producer.op);
        std::size_t which = 0;
        while (producer.outputs[which] != owner) ++which;
        if (which >= producer_op.in_place.size() || producer_op.in_place[which] < 0) break;
        owner = producer.inputs[static_cast<std::size_t>(producer_op.in_place[which])];
      }
      if (!is_kept(graph, owner))
        fail(graph, fmt::format("{} overwrites %{}, which is neither parameter, buffer nor state",
                                describe(graph, node), graph.value(target).name));
      overwritten.insert(target);
    }
  }
  for (const auto& [key, id] : graph.outputs) check(id, "output '" + key + "'");
  for (const auto& [target, id] : graph.updates) check(id, "an update");
}

void verify_updates(const Graph& graph) {
  std::set<ValueId> targets;
  for (const auto& [target, id] : graph.updates) {
    if (!is_kept(graph, target))
      fail(graph, fmt::format("update of %{}, which is neither parameter, buffer nor state",
                              graph.value(target).name));
    if (!targets.insert(target).second)
      fail(graph, fmt::format("%{} is updated twice", graph.value(target).name));
    if (!(graph.type(target) == graph.type(id)))
      fail(graph, fmt::format("update of %{} by %{}: {} and {} differ", graph.value(target).name,
                              graph.value(id).name, to_string(graph.type(target)),
                              to_string(graph.type(id))));
  }
  for (const auto& [target, id] : graph.updates)
    if (id != target && targets.count(id) != 0)
      fail(graph, fmt::format("update of %{} by %{}, which is updated as well",
                              graph.value(target).name, graph.value(id).name));
}

}  // namespace

void verify_graph(const Graph& graph) {
  verify_ids(graph);
  std::vector<bool> defined(graph.values.size(), false);
  for (std::size_t v = 0; v < graph.values.size(); ++v)
    defined[v] = graph.values[v].kind != ValueKind::node;
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
    if (!defined[static_cast<std::size_t>(id)])
      fail(graph, fmt::format("output '{}' is never computed", key));
  for (const auto& [target, id] : graph.updates)
    if (!defined[static_cast<std::size_t>(id)])
      fail(graph, fmt::format("the update of %{} is never computed", graph.value(target).name));
  verify_updates(graph);
}

}  // namespace hone
