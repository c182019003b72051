// Batch norm of a model that is trained: by the statistics of the batch; the running ones, buffers
// that inference reads, follow them.
//
//   %y = batch_norm(%x, %scale, %shift, %mean, %variance)
//     =>   %y, %m, %v = batch_norm_train(%x, %scale, %shift)
//          %mean, %variance <- update_moments(%x, %mean, %variance, %m, %v)
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace train_batch_norm_pass {

int run(const PassCall& call) {
  Graph& graph = call.graph;
  int changes = 0;
  const std::size_t count = graph.nodes.size();
  for (std::size_t n = 0; n < count; ++n) {
    const Node norm = graph.nodes[n];
    if (norm.op != "batch_norm") continue;
    const ValueId mean = norm.inputs[3], variance = norm.inputs[4];
    if (graph.value(mean).kind != ValueKind::buffer ||
        graph.value(variance).kind != ValueKind::buffer)
      continue;
    const std::string name = graph.value(norm.outputs[0]).name;
    const NodeId trained =
        graph.append("batch_norm_train", {norm.inputs[0], norm.inputs[1], norm.inputs[2]},
                     norm.attributes, name + ".train");
    const std::vector<ValueId> made = graph.node(trained).outputs;
    const NodeId moved = graph.append(
        "update_moments", {norm.inputs[0], mean, variance, made[1], made[2]},
        {{"axis", norm.attributes.integer("axis")}, {"momentum", call.options.real("momentum")}},
        name + ".running");
    graph.updates.emplace_back(mean, graph.node(moved).outputs[0]);
    graph.updates.emplace_back(variance, graph.node(moved).outputs[1]);
    graph.replace_uses(norm.outputs[0], made[0]);
    ++changes;
  }
  if (changes > 0) {
    graph.sort();
    graph.remove_dead();
  }
  return changes;
}

}  // namespace train_batch_norm_pass
}  // namespace

Pass pass_train_batch_norm() {
  using namespace train_batch_norm_pass;
  Pass pass{{"train_batch_norm",
             "batch norm by the statistics of the batch; running ones follow",
             {{"momentum", OptionType::real, 0.1, "share of a batch in the running ones", 0, 1}}}};
  pass.run = run;
  pass.required = true;
  return pass;
}

}  // namespace hone
