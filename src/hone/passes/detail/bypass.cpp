#include "hone/passes/bypass.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/error.hpp"
#include "hone/graph/weight.hpp"

namespace hone {

bool can_bypass(const Graph& graph, const Node& node) {
  return node.op == "linear" && graph.type(node.inputs[0]) == graph.type(node.outputs[0]);
}

std::string bypass(Model& model, const std::vector<std::string>& nodes) {
  if (nodes.empty())
    throw Error(ErrorCode::invalid_argument, "no node is named that would be left out");
  Graph graph = model.graph;
  for (const std::string& name : nodes) {
    const NodeId id = graph.find_node(name);
    if (id == none)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: there is no node '{}'", model.name, name));
    const Node& node = graph.node(id);
    if (!can_bypass(graph, node))
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: '{}' cannot be left out: it reads {} and gives {}", model.name,
                              name, to_string(graph.type(node.inputs[0])),
                              to_string(graph.type(node.outputs[0]))),
                  "linear nodes that give as many numbers as they read can be");
    const ValueId read = node.inputs[0], given = node.outputs[0];
    graph.replace_uses(given, read);
    graph.remove_dead();
  }
  model.graph = std::move(graph);
  keep_named_tensors(model);
  return fmt::format("bypass {}", fmt::join(nodes, ","));
}

}  // namespace hone
