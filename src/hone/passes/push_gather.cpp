// Computes only the rows that are wanted. A classifier reads one token of each sequence of the last
// layer; so that layer's products, norms and attention queries are needed for these rows only:
//
//   %y = linear(%x, %w, %b)           %g = gather_rows(%x, %rows)
//   %z = gather_rows(%y, %rows)   =>  %z = linear(%g, %w, %b)
//
// repeated towards the inputs, through every op that maps rows to rows and through the queries of
// attention. Run before differentiate, it narrows the backward pass as well.
#include "hone/graph/op.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace push_gather_pass {

// The gather of (x, rows) that the graph has before node `before`, or none.
ValueId find_gather(const Graph& graph, ValueId x, ValueId rows) {
  for (const Node& node : graph.nodes)
    if (node.op == "gather_rows" && node.inputs[0] == x && node.inputs[1] == rows)
      return node.outputs[0];
  return none;
}

NodeId narrow_by_gathering(Graph& graph, NodeId node, ValueId rows) {
  const Node from = graph.node(node);
  const Op& op = find_op(from.op);
  std::vector<ValueId> inputs;
  for (std::size_t i = 0; i < from.inputs.size(); ++i) {
    const bool row_input = (op.row_inputs >> i & 1u) != 0 && from.inputs[i] != none;
    if (!row_input) {
      inputs.push_back(from.inputs[i]);
      continue;
    }
    const ValueId known = find_gather(graph, from.inputs[i], rows);
    inputs.push_back(known != none ? known : graph.apply("gather_rows", {from.inputs[i], rows}));
  }
  return graph.append(from.op, inputs, from.attributes,
                      graph.value(from.outputs[0]).name + ".rows");
}

// Whether the gather is all that reads the node's outputs.
bool only_reader(const Graph& graph, const Node& node, NodeId gather) {
  const auto readers = graph.readers();
  for (ValueId id : node.outputs) {
    for (NodeId reader : readers[static_cast<std::size_t>(id)])
      if (reader != gather) return false;
    for (const auto& [name, output] : graph.outputs)
      if (output == id) return false;
  }
  return true;
}

bool push_one(Graph& graph) {
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (graph.nodes[n].op != "gather_rows") continue;
    const ValueId x = graph.nodes[n].inputs[0];
    const ValueId rows = graph.nodes[n].inputs[1];
    const NodeId producer = graph.value(x).producer;
    if (producer == none || graph.node(producer).op == "gather_rows") continue;
    const Node& node = graph.node(producer);
    const Op& op = find_op(node.op);
    // Only what the gather reads; other outputs (the statistics of a norm) have no reader yet.
    const bool can = op.narrow != nullptr || op.rows == RowRule::rows;
    if (!can || node.outputs[0] != x || op.name == "embedding" ||
        !only_reader(graph, node, static_cast<NodeId>(n)))
      continue;
    const NodeId made = op.narrow != nullptr ? op.narrow(graph, producer, rows)
                                             : narrow_by_gathering(graph, producer, rows);
    graph.replace_uses(graph.nodes[n].outputs[0], graph.node(made).outputs[0]);
    graph.sort();
    graph.remove_dead();
    return true;
  }
  return false;
}

// Equal gathers become one.
void merge_gathers(Graph& graph) {
  for (std::size_t a = 0; a < graph.nodes.size(); ++a) {
    if (graph.nodes[a].op != "gather_rows") continue;
    for (std::size_t b = a + 1; b < graph.nodes.size(); ++b)
      if (graph.nodes[b].op == "gather_rows" && graph.nodes[b].inputs == graph.nodes[a].inputs)
        graph.replace_uses(graph.nodes[b].outputs[0], graph.nodes[a].outputs[0]);
  }
  graph.remove_dead();
}

int run(const PassCall& call) {
  Graph& graph = call.graph;
  int changes = 0;
  merge_gathers(graph);
  while (push_one(graph)) {
    ++changes;
    merge_gathers(graph);
  }
  return changes;
}

}  // namespace push_gather_pass
}  // namespace

Pass pass_push_gather() {
  using namespace push_gather_pass;
  Pass pass{{"push_gather", "computes only the rows that are read in the end"}};
  pass.run = run;
  return pass;
}

}  // namespace hone
