// Rounds only those rows of a table that are read:
//
//   %q = quantize(%table)   %e = embedding(%q, %ids)
//       =>   %r = embedding(%table, %ids)   %e = quantize(%r)
#include "hone/graph/op.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace round_gathered_pass {

int run(const PassCall& call) {
  Graph& graph = call.graph;
  int changes = 0;
  const std::size_t count = graph.nodes.size();
  for (std::size_t n = 0; n < count; ++n) {
    const Node lookup = graph.nodes[n];
    if (lookup.op != "embedding") continue;
    // (quantize rounds row by row, quantize_tensor does not.)
    const Node* found = graph.producer(lookup.inputs[0], "quantize");
    if (found == nullptr) continue;
    const Node rounding = *found;
    const ValueId rows =
        graph.apply("embedding", {rounding.inputs[0], lookup.inputs[1]}, lookup.attributes,
                    graph.value(lookup.outputs[0]).name + ".rows");
    std::vector<ValueId> inputs = rounding.inputs;
    inputs[0] = rows;
    graph.replace_uses(lookup.outputs[0], graph.apply("quantize", inputs, rounding.attributes,
                                                      graph.value(lookup.outputs[0]).name + ".q"));
    ++changes;
  }
  graph.sort();
  graph.remove_dead();
  return changes;
}

}  // namespace round_gathered_pass
}  // namespace

Pass pass_round_gathered() {
  using namespace round_gathered_pass;
  Pass pass{{"round_gathered", "rounds only those rows of a table that are read"}};
  pass.run = run;
  return pass;
}

}  // namespace hone
