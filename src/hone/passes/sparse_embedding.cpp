// Gives a large embedding table gradients and updates for the rows of the batch only. AdamW moves
// every row in every step; the other rows are brought up to date, exactly, when a batch next reads
// them (op adamw_refresh).
//
//   %g = embedding_grad(%t, %ids, %dy)        %t1 ... = adamw_refresh(%t, ..., %ids, ...)
//   %n = global_norm(_, ..., %g, ...)     =>  %rows, %count, %g = embedding_grad_rows(%t1, %ids,
//   %dy) %t1 ... = adamw(%t, %g, ...)              %n = global_norm(%count, %g, ...)
//                                             %t2 ... = adamw_rows(%t1, ..., %rows, %count, %g,
//                                             ...)
#include <algorithm>

#include "hone/graph/op.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace sparse_embedding_pass {

struct Match {
  NodeId lookup = none, gradient = none, norm = none, update = none;
};

// The four nodes around one table, when nothing else reads the table or its gradient.
bool find_match(const Graph& graph, std::int64_t least_rows, Match& match) {
  const auto readers = graph.readers();
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (graph.nodes[n].op != "embedding_grad") continue;
    const ValueId table = graph.nodes[n].inputs[0];
    if (graph.value(table).kind != ValueKind::parameter ||
        graph.type(table).dims[0].offset < least_rows)
      continue;
    Match found{none, static_cast<NodeId>(n), none, none};
    bool good = true;
    for (NodeId reader : readers[static_cast<std::size_t>(table)]) {
      const std::string& op = graph.node(reader).op;
      if (op == "embedding" && found.lookup == none &&
          graph.node(reader).inputs[1] == graph.nodes[n].inputs[1])
        found.lookup = reader;
      else if (op == "adamw")
        found.update = reader;
      else
        good = good && reader == found.gradient;
    }
    for (NodeId reader : readers[static_cast<std::size_t>(graph.nodes[n].outputs[0])]) {
      if (graph.node(reader).op == "global_norm" && graph.node(reader).inputs[0] == none)
        found.norm = reader;
      else
        good = good && reader == found.update;
    }
    if (!good || found.lookup == none || found.norm == none || found.update == none) continue;
    match = found;
    return true;
  }
  return false;
}

void rewrite(Graph& graph, const Match& match) {
  Node update = graph.node(match.update);
  update.attributes.erase("keep_sign");  // tables have none
  const ValueId table = update.inputs[0];
  const ValueId ids = graph.node(match.lookup).inputs[1];
  const ValueId dy = graph.node(match.gradient).inputs[2];
  const ValueId dense = graph.node(match.gradient).outputs[0];
  const std::string name = graph.value(table).name;
  const ValueId m = update.inputs[2];
  const ValueId v = update.inputs[3];
  const ValueId clip = update.inputs[4];
  const ValueId schedule = update.inputs[5];
  const ValueId step = update.inputs[6];
  const ValueId last =
      graph.add_value(name + ".last", {DType::i32, {graph.type(table).dims[0]}}, ValueKind::state);
  const std::vector<ValueId> fresh =
      graph
          .node(graph.append("adamw_refresh", {table, m, v, last, ids, schedule, step},
                             update.attributes, name + ".fresh"))
          .outputs;
  graph.node(match.lookup).inputs[0] = fresh[0];
  const std::vector<ValueId> rows =
      graph
          .node(graph.append("embedding_grad_rows", {fresh[0], ids, dy},
                             graph.node(match.gradient).attributes))
          .outputs;
  std::vector<ValueId>& gradients = graph.node(match.norm).inputs;
  gradients.erase(std::find(gradients.begin(), gradients.end(), dense));
  gradients[0] = rows[1];
  gradients.insert(gradients.begin() + 1, rows[2]);
  const std::vector<ValueId> changed =
      graph
          .node(graph.append("adamw_rows",
                             {fresh[0], fresh[1], fresh[2], fresh[3], rows[0], rows[1], rows[2],
                              clip, schedule, step},
                             update.attributes, name + ".new"))
          .outputs;
  for (std::size_t i = 0; i < update.outputs.size(); ++i)
    graph.replace_uses(update.outputs[i], changed[i]);
  graph.updates.emplace_back(last, changed[3]);
  graph.sort();
  graph.remove_dead();
}

int run(const PassCall& call) {
  Graph& graph = call.graph;
  const Options& options = call.options;
  // The norm takes one counted gradient: one table, the first.
  Match match;
  if (!find_match(graph, options.integer("least_rows"), match)) return 0;
  rewrite(graph, match);
  return 1;
}

}  // namespace sparse_embedding_pass
}  // namespace

Pass pass_sparse_embedding() {
  using namespace sparse_embedding_pass;
  Pass pass{{"sparse_embedding",
             "updates only the rows of an embedding table that a batch reads, the others later but "
             "exactly",
             {{"least_rows", OptionType::integer, std::int64_t{1024},
               "smallest table it is worth for", 1, 1e12}}}};
  pass.run = run;
  return pass;
}

}  // namespace hone
