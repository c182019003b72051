// Groups nodes that work row by row, so that the plan can run a whole group on one tile of rows
// while it is in cache, and intermediate values never reach memory. A group is all row nodes (and
// sums over rows) with the same rows whose inputs are ready at the same time.
//
// Cheap nodes whose result a later group needs again are computed again there, if what they read is
// kept anyway.
#include <algorithm>
#include <map>

#include "hone/graph/op.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace group_rows_pass {

// The rows a node runs over: "T", "8", ...; "" for whole nodes.
std::string rows_of(const Graph& graph, const Node& node) {
  const Op& op = find_op(node.op);
  const RowRule rule = row_rule(graph, node);
  if (rule == RowRule::rows) return to_string(graph.type(node.outputs[0]).dims[0]);
  if (rule == RowRule::whole) return "";
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    if ((op.row_inputs >> i & 1u) != 0 && node.inputs[i] != none)
      return to_string(graph.type(node.inputs[i]).dims[0]);
  return "";
}

bool is_row_input(const Op& op, std::size_t i) { return (op.row_inputs >> i & 1u) != 0; }

// Nodes that read parameters alone (rounded weights). They come first, so that what reads them can
// stand in one group with what feeds it.
std::vector<bool> find_constant(const Graph& graph) {
  std::vector<bool> constant(graph.nodes.size(), false);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    constant[n] = std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) {
      if (id == none) return true;
      const NodeId from = graph.value(id).producer;
      return from == none ? is_tensor_of_model(graph.value(id).kind)
                          : static_cast<bool>(constant[static_cast<std::size_t>(from)]);
    });
  }
  return constant;
}

// Level of each node: a row node may stand on the level of the row node it reads (same rows); on
// everything else it waits for the next level. Row nodes of a level run before its whole nodes.
std::vector<int> find_levels(const Graph& graph, const std::vector<bool>& constant) {
  std::vector<int> level(graph.nodes.size(), 0);
  const bool any = std::find(constant.begin(), constant.end(), true) != constant.end();
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (any && !constant[n]) level[n] = 1;
    const Op& op = find_op(node.op);
    const std::string rows = rows_of(graph, node);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const NodeId from = node.inputs[i] == none ? none : graph.value(node.inputs[i]).producer;
      if (from == none) continue;
      const Node& source = graph.node(from);
      const bool by_rows = row_rule(graph, node) != RowRule::whole;
      const bool same_group = by_rows && is_row_input(op, i) &&
                              row_rule(graph, source) == RowRule::rows &&
                              rows_of(graph, source) == rows;
      const bool waits = by_rows && !same_group;
      level[n] = std::max(level[n], level[static_cast<std::size_t>(from)] + (waits ? 1 : 0));
    }
  }
  return level;
}

// Whether the reader takes the node's result row by row, over the same rows: only then can both run
// on one tile.
bool reads_by_rows(const Graph& graph, const Node& reader, const Node& node) {
  const Op& op = find_op(reader.op);
  if (row_rule(graph, reader) == RowRule::whole || rows_of(graph, reader) != rows_of(graph, node))
    return false;
  for (std::size_t i = 0; i < reader.inputs.size(); ++i)
    if (reader.inputs[i] == node.outputs[0] && !is_row_input(op, i)) return false;
  return true;
}

// Clones cheap nodes into the later levels that read them. Returns the number of clones.
int recompute_cheap(Graph& graph, std::vector<int>& level, const std::vector<bool>& constant) {
  int clones = 0;
  const std::size_t original = graph.nodes.size();
  for (std::size_t n = 0; n < original; ++n) {
    const Node node = graph.nodes[n];
    const Op& op = find_op(node.op);
    if (!op.cheap || row_rule(graph, node) != RowRule::rows || constant[n]) continue;
    const auto readers = graph.readers();
    std::map<int, std::vector<NodeId>> later;
    for (NodeId reader : readers[static_cast<std::size_t>(node.outputs[0])])
      if (level[static_cast<std::size_t>(reader)] > level[n] &&
          reads_by_rows(graph, graph.node(reader), node))
        later[level[static_cast<std::size_t>(reader)]].push_back(reader);
    for (const auto& [at, wanting] : later) {
      // Its inputs must be kept up to there anyway.
      const bool kept =
          std::all_of(node.inputs.begin(), node.inputs.end(), [&, at = at](ValueId id) {
            if (id == none || graph.value(id).producer == none) return true;
            const auto& others = readers[static_cast<std::size_t>(id)];
            return std::any_of(others.begin(), others.end(), [&](NodeId other) {
              return level[static_cast<std::size_t>(other)] >= at;
            });
          });
      if (!kept) continue;
      const ValueId copy = graph.apply(node.op, node.inputs, node.attributes,
                                       graph.value(node.outputs[0]).name + ".again");
      level.push_back(at);
      for (NodeId reader : wanting) {
        auto& inputs = graph.node(reader).inputs;
        std::replace(inputs.begin(), inputs.end(), node.outputs[0], copy);
      }
      ++clones;
    }
  }
  return clones;
}

int run(const PassCall& call) {
  Graph& graph = call.graph;
  const Options& options = call.options;
  const std::vector<bool> constant = find_constant(graph);
  std::vector<int> level = find_levels(graph, constant);
  if (options.boolean("recompute")) recompute_cheap(graph, level, constant);
  // Order: level, then row nodes by their rows, then whole nodes; within that the order that was,
  // clones behind what they read.
  struct Key {
    int level;
    bool whole;
    std::string rows;
    std::size_t depth;
    std::size_t index;
    auto operator<=>(const Key&) const = default;
  };
  // Depth within the level, so that clones (at the end of the list) come before their readers.
  std::vector<std::size_t> depth(graph.nodes.size(), 0);
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      for (ValueId id : graph.nodes[n].inputs) {
        const NodeId from = id == none ? none : graph.value(id).producer;
        if (from == none || level[static_cast<std::size_t>(from)] != level[n]) continue;
        if (depth[n] < depth[static_cast<std::size_t>(from)] + 1) {
          depth[n] = depth[static_cast<std::size_t>(from)] + 1;
          changed = true;
        }
      }
    }
  }
  std::vector<Key> order;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const bool whole = row_rule(graph, graph.nodes[n]) == RowRule::whole;
    order.push_back({level[n], whole, rows_of(graph, graph.nodes[n]), depth[n], n});
  }
  std::sort(order.begin(), order.end());
  std::vector<Node> nodes;
  std::map<std::pair<int, std::string>, std::int32_t> groups;
  for (const Key& key : order) {
    Node node = std::move(graph.nodes[key.index]);
    node.group = key.whole ? no_group
                           : groups
                                 .emplace(std::pair(key.level, key.rows),
                                          static_cast<std::int32_t>(groups.size()))
                                 .first->second;
    for (ValueId id : node.outputs)
      graph.values[static_cast<std::size_t>(id)].producer = static_cast<NodeId>(nodes.size());
    nodes.push_back(std::move(node));
  }
  graph.nodes = std::move(nodes);
  return static_cast<int>(groups.size());
}

}  // namespace group_rows_pass
}  // namespace

Pass pass_group_rows() {
  using namespace group_rows_pass;
  Pass pass{{"group_rows",
             "groups row-by-row nodes to run tile by tile",
             {{"recompute", OptionType::boolean, true,
               "compute cheap nodes again instead of keeping their results"}}}};
  pass.run = run;
  return pass;
}

}  // namespace hone
