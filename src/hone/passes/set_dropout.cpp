// Prepares the dropout of a source graph for one run: sets its probabilities, and takes out what
// drops nothing (for inference all of it, and the random draws of stochastic rounding with it).
#include "hone/passes/dropout.hpp"

#include <algorithm>

#include "hone/graph/op.hpp"
#include "hone/graph/weight.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace set_dropout_pass {

// The dropout that feeds the node which makes the logits, or none.
NodeId classifier_dropout(const Graph& graph) {
  const ValueId logits = graph.find_output("logits");
  const Node* head = logits == none ? nullptr : graph.producer(behind(graph, logits));
  if (head == nullptr || head->inputs.empty()) return none;
  ValueId at = head->inputs[0];
  while (const Node* producer = graph.producer(at)) {
    if (producer->op == "dropout") return graph.value(at).producer;
    const int input = find_op(producer->op).stands_for;
    if (input < 0) break;
    at = producer->inputs[static_cast<std::size_t>(input)];
  }
  return none;
}

// Dropout that adapters alone read, on their low-rank paths: it has a probability of its own.
std::vector<bool> find_adapter_dropout(const Graph& graph) {
  std::vector<bool> only(graph.nodes.size(), false);
  const auto readers = graph.readers();
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (graph.nodes[n].op != "dropout") continue;
    const ValueId made = graph.nodes[n].outputs[0];
    const auto& list = readers[static_cast<std::size_t>(made)];
    only[n] = !list.empty() && std::all_of(list.begin(), list.end(), [&](NodeId reader) {
      return graph.node(reader).op == "lora" && graph.node(reader).inputs[1] == made;
    });
  }
  return only;
}

const char* key_of(const Node& node) { return node.op == "attention" ? "dropout" : "p"; }

// Calls f(node, rate) for each node that drops.
template <typename F>
void for_each_dropout(Graph& graph, const F& f) {
  const NodeId classifier = classifier_dropout(graph);
  const std::vector<bool> of_adapter = find_adapter_dropout(graph);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    Node& node = graph.nodes[n];
    if (node.op == "attention")
      f(node, &DropoutRates::attention);
    else if (node.op == "dropout" && !of_adapter[n])
      f(node,
        static_cast<NodeId>(n) == classifier ? &DropoutRates::classifier : &DropoutRates::hidden);
  }
}

int run(const PassCall& call) {
  Graph& graph = call.graph;
  const bool training = call.options.boolean("training");
  const DropoutRates rates{call.options.real("hidden"), call.options.real("attention"),
                           call.options.real("classifier")};
  int changes = 0;
  for_each_dropout(graph, [&](Node& node, double DropoutRates::*which) {
    const double before = node.attributes.real(key_of(node));
    const double after = !training ? 0.0 : rates.*which >= 0 ? rates.*which : before;
    if (after == before) return;
    node.attributes.set(key_of(node), after);
    ++changes;
  });
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    Node& node = graph.nodes[n];
    if (node.op == "dropout" && (!training || node.attributes.real("p") == 0))
      graph.replace_uses(node.outputs[0], node.inputs[0]);
    if (node.op == "attention" && node.attributes.real("dropout") == 0 && node.inputs.size() > 4) {
      node.inputs[4] = none;
      while (node.inputs.back() == none) node.inputs.pop_back();
    }
    if (!training && node.op == "quantize") node.inputs.resize(1);
  }
  graph.remove_dead();
  return changes;
}

}  // namespace set_dropout_pass
}  // namespace

DropoutRates dropout_rates(const Graph& graph) {
  using namespace set_dropout_pass;
  DropoutRates rates{0, 0, 0};
  Graph copy = graph;
  for_each_dropout(copy, [&](Node& node, double DropoutRates::*which) {
    rates.*which = std::max(rates.*which, node.attributes.real(key_of(node)));
  });
  return rates;
}

Pass pass_set_dropout() {
  using namespace set_dropout_pass;
  const auto rate = [](const char* name, const char* help) {
    return OptionSpec{name, OptionType::real, -1.0, help, -1.0, 0.999};
  };
  Pass pass{{"set_dropout",
             "sets the probabilities of dropout and takes out what drops nothing",
             {{"training", OptionType::boolean, true, "false: nothing is dropped"},
              rate("hidden", "between layers; below 0: as the graph says"),
              rate("attention", "of attention's probabilities"),
              rate("classifier", "before the classifier")}}};
  pass.run = run;
  pass.required = true;
  return pass;
}

}  // namespace hone
