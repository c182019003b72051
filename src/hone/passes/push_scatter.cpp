// Computes gradients only for the rows that have one. Where a forward op sees whole tensors, and
// push_gather has to stop (a quantile over all activations, a scale of all blocks), the backward
// pass begins with a tensor that is zero but for the picked rows:
//
//   %s = scatter_rows(%g, %rows, ...)     %n = gelu_grad(gather_rows(%x, %rows), %g)
//   %d = gelu_grad(%x, %s)            =>  %d = scatter_rows(%n, %rows, ...)
//
// repeated away from the loss, through every op that is linear in the rows it is given
// (Op::linear_rows), until sums over rows take the picked rows alone. Run after differentiate.
#include <algorithm>
#include <optional>

#include "hone/graph/op.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace push_scatter_pass {

// A scatter: `out` holds the rows `part` at `rows`, of the shape of `like`.
struct Scatter {
  ValueId out, part, rows, like;
};

std::optional<Scatter> scatter_of(const Graph& graph, ValueId id) {
  const Node* node = graph.producer(id, "scatter_rows");
  if (node == nullptr) return std::nullopt;
  return Scatter{id, node->inputs[0], node->inputs[1], node->inputs[2]};
}

ValueId gather(Graph& graph, ValueId x, ValueId rows) {
  for (const Node& node : graph.nodes)
    if (node.op == "gather_rows" && node.inputs[0] == x && node.inputs[1] == rows)
      return node.outputs[0];
  return graph.apply("gather_rows", {x, rows});
}

// A value of the forward pass of that type that is in memory anyway, as its rows are gathered.
ValueId find_like(const Graph& graph, const Scatter& scatter, const ValueType& type) {
  if (graph.type(scatter.like) == type) return scatter.like;
  for (const Node& node : graph.nodes)
    if (node.op == "gather_rows" && node.inputs[1] == scatter.rows &&
        graph.type(node.inputs[0]) == type && !scatter_of(graph, node.inputs[0]))
      return node.inputs[0];
  return none;
}

ValueId scatter_back(Graph& graph, const Scatter& scatter, ValueId part, ValueId like) {
  return graph.apply("scatter_rows", {part, scatter.rows, like});
}

// The node's inputs with the picked rows only, where it is linear in input `at`.
std::vector<ValueId> picked_inputs(Graph& graph, const Node& node, std::size_t at,
                                   const Scatter& scatter) {
  const Op& op = find_op(node.op);
  std::vector<ValueId> inputs = node.inputs;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (i == at)
      inputs[i] = scatter.part;
    else if ((op.row_inputs >> i & 1u) != 0 && inputs[i] != none)
      inputs[i] = gather(graph, inputs[i], scatter.rows);
  return inputs;
}

bool push_sum(Graph& graph, NodeId id, std::size_t at, const Scatter& scatter) {
  const Node node = graph.node(id);
  const std::vector<ValueId> inputs = picked_inputs(graph, node, at, scatter);
  const NodeId made = graph.append(node.op, inputs, node.attributes);
  for (std::size_t i = 0; i < node.outputs.size(); ++i)
    graph.replace_uses(node.outputs[i], graph.node(made).outputs[i]);
  return true;
}

bool push_row_op(Graph& graph, NodeId id, std::size_t at, const Scatter& scatter) {
  const Node node = graph.node(id);
  const ValueId like = find_like(graph, scatter, graph.type(node.outputs[0]));
  if (node.outputs.size() != 1 || like == none) return false;
  const Op& op = find_op(node.op);
  NodeId made = none;
  if (op.narrow != nullptr) {
    made = op.narrow(graph, id, scatter.rows);
    for (ValueId& input : graph.node(made).inputs) {
      const Node* from = graph.producer(input, "gather_rows");
      if (from != nullptr && from->inputs[0] == scatter.out) input = scatter.part;
    }
  } else {
    const std::vector<ValueId> inputs = picked_inputs(graph, node, at, scatter);
    made = graph.append(node.op, inputs, node.attributes);
  }
  graph.replace_uses(node.outputs[0],
                     scatter_back(graph, scatter, graph.node(made).outputs[0], like));
  return true;
}

// Of picked queries the gradient of attention is known; keys and values have one in every row.
bool push_attention(Graph& graph, NodeId id, const Scatter& scatter) {
  const Node node = graph.node(id);
  std::vector<ValueId> inputs = node.inputs;
  inputs.resize(9, none);
  inputs[0] = scatter.part;
  for (const std::size_t i : {1u, 2u, 3u}) inputs[i] = gather(graph, inputs[i], scatter.rows);
  inputs[8] = inputs[8] == none ? scatter.rows : gather(graph, inputs[8], scatter.rows);
  const ValueId like = node.inputs[3];
  const std::vector<ValueId> made =
      graph.node(graph.append(node.op, inputs, node.attributes)).outputs;
  graph.replace_uses(node.outputs[0], scatter_back(graph, scatter, made[0], like));
  graph.replace_uses(node.outputs[1], made[1]);
  graph.replace_uses(node.outputs[2], made[2]);
  return true;
}

// a + b, both of the same rows.
bool push_add(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  const auto a = scatter_of(graph, node.inputs[0]);
  const auto b = scatter_of(graph, node.inputs[1]);
  if (!a || !b || a->rows != b->rows) return false;
  const ValueId sum = graph.apply("add", {a->part, b->part});
  graph.replace_uses(node.outputs[0], scatter_back(graph, *a, sum, a->like));
  return true;
}

bool push_one(Graph& graph) {
  // Sums first: what they gather says where values lie that others take their shape from.
  for (const bool sums : {true, false})
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      const auto id = static_cast<NodeId>(n);
      const Node node = graph.nodes[n];
      const Op& op = find_op(node.op);
      if (sums != (op.rows == RowRule::reduce)) continue;
      for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        const auto scatter = scatter_of(graph, node.inputs[i]);
        if (!scatter) continue;
        const bool linear = (op.linear_rows >> i & 1u) != 0;
        const bool pushed = node.op == "add" ? push_add(graph, id)
                            : node.op == "attention_grad" && i == 0
                                ? push_attention(graph, id, *scatter)
                            : !linear ? false
                            : sums    ? push_sum(graph, id, i, *scatter)
                                      : push_row_op(graph, id, i, *scatter);
        if (!pushed) continue;
        graph.sort();
        graph.remove_dead();
        return true;
      }
    }
  return false;
}

int run(const PassCall& call) {
  int changes = 0;
  while (push_one(call.graph)) ++changes;
  return changes;
}

}  // namespace push_scatter_pass
}  // namespace

Pass pass_push_scatter() {
  using namespace push_scatter_pass;
  Pass pass{{"push_scatter", "computes gradients only for the rows that have one"}};
  pass.run = run;
  return pass;
}

}  // namespace hone
