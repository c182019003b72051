// Adds gradients up over several runs instead of using them in each: output "grad.p" becomes a
// state "p.sum" that grows by it.
#include "hone/graph/op.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace accumulate_gradients_pass {

constexpr const char* gradient_prefix = "grad.";

int run(const PassCall& call) {
  Graph& graph = call.graph;
  std::vector<std::pair<std::string, ValueId>> kept;
  int changes = 0;
  for (const auto& [name, id] : std::vector(graph.outputs)) {
    if (name.rfind(gradient_prefix, 0) != 0) {
      kept.emplace_back(name, id);
      continue;
    }
    const std::string sum_name = name.substr(std::string(gradient_prefix).size()) + ".sum";
    const ValueId sum = graph.add_value(sum_name, graph.type(id), ValueKind::state);
    const ValueId added = graph.apply("accumulate", {sum, id});
    graph.updates.emplace_back(sum, added);
    ++changes;
  }
  graph.outputs = kept;
  return changes;
}

}  // namespace accumulate_gradients_pass
}  // namespace

Pass pass_accumulate_gradients() {
  using namespace accumulate_gradients_pass;
  Pass pass{{"accumulate_gradients", "adds gradients up over several runs"}};
  pass.run = run;
  pass.required = true;
  return pass;
}

}  // namespace hone
