// Appends the backward pass: the gradient of one output (the loss) for every trained parameter it
// depends on. The gradient of parameter p becomes output "grad.p".
#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/graph/op.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace differentiate_pass {

int run(const PassCall& call) {
  Graph& graph = call.graph;
  const Options& options = call.options;
  const std::string& loss_name = options.text("loss");
  const ValueId loss = graph.output(loss_name);
  if (!(graph.type(loss) == ValueType{DType::f32, {1}}))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("pass differentiate: output '{}' is {}, a loss is f32[1]", loss_name,
                            to_string(graph.type(loss))));
  // Only what leads from a parameter to the loss needs a gradient.
  std::vector<bool> needs(graph.values.size(), false);
  for (std::size_t v = 0; v < graph.values.size(); ++v) needs[v] = graph.values[v].is_trained();
  for (const Node& node : graph.nodes)
    for (ValueId in : node.inputs)
      if (in != none && needs[static_cast<std::size_t>(in)])
        for (ValueId out : node.outputs) needs[static_cast<std::size_t>(out)] = true;
  std::vector<ValueId> gradient(graph.values.size(), none);
  const ValueId seed = graph.input("loss_gradient", {DType::f32, {1}});
  needs.resize(graph.values.size(), false);
  gradient.resize(graph.values.size(), none);
  gradient[static_cast<std::size_t>(loss)] = seed;
  for (std::size_t at = graph.nodes.size(); at-- > 0;) {
    const auto n = static_cast<NodeId>(at);
    const std::vector<ValueId> inputs = graph.node(n).inputs;
    const std::vector<ValueId> outputs = graph.node(n).outputs;
    std::vector<ValueId> output_gradients;
    for (ValueId id : outputs) output_gradients.push_back(gradient[static_cast<std::size_t>(id)]);
    bool wanted = false;
    for (ValueId in : inputs)
      wanted = wanted || (in != none && needs[static_cast<std::size_t>(in)]);
    const bool reached = std::any_of(output_gradients.begin(), output_gradients.end(),
                                     [](ValueId id) { return id != none; });
    if (!wanted || !reached) continue;
    const Op& op = find_op(graph.node(n).op);
    if (op.zero_gradient) continue;
    if (op.gradient == nullptr)
      throw Error(ErrorCode::unsupported,
                  fmt::format("pass differentiate: [{}] has no gradient", op.name));
    const std::vector<ValueId> results = op.gradient({graph, n, output_gradients});
    needs.resize(graph.values.size(), false);
    gradient.resize(graph.values.size(), none);
    for (std::size_t i = 0; i < results.size() && i < inputs.size(); ++i) {
      const ValueId in = inputs[i];
      if (in == none || results[i] == none || !needs[static_cast<std::size_t>(in)]) continue;
      ValueId& sum = gradient[static_cast<std::size_t>(in)];
      const ValueId total = sum == none ? results[i] : graph.apply("add", {sum, results[i]});
      needs.resize(graph.values.size(), false);
      gradient.resize(graph.values.size(), none);
      gradient[static_cast<std::size_t>(in)] = total;
    }
  }
  int count = 0;
  for (std::size_t v = 0; v < gradient.size(); ++v) {
    if (!graph.values[v].is_trained() || gradient[v] == none) continue;
    graph.outputs.emplace_back("grad." + graph.values[v].name, gradient[v]);
    ++count;
  }
  graph.remove_dead();
  return count;
}

}  // namespace differentiate_pass
}  // namespace

Pass pass_differentiate() {
  using namespace differentiate_pass;
  Pass pass{{"differentiate",
             "appends the backward pass of a loss",
             {{"loss", OptionType::text, std::string("loss"), "the output to differentiate"}}}};
  pass.run = run;
  pass.required = true;
  return pass;
}

}  // namespace hone
