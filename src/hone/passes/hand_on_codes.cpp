// Convolutions give 8-bit codes where convolutions read them: what lies between takes a quarter of
// the memory, and is rounded while it is in cache.
//
//   %y = conv_int8(%x, ..) {..}                 %y.codes = conv_int8(%x, ..) {.., give_format, ..}
//   %z = conv_int8(%y, ..) {data_format, ..}    %z = conv_int8(%y.codes, ..) {data_format, ..}
//
// Where others read %y too, it is given beside its codes. The numbers are the same.
#include <algorithm>
#include <map>

#include "hone/ops/detail/conv_int8.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace hand_on_codes_pass {

// How a convolution rounds x, as text; empty where it reads codes already, or where places have
// scales of their own.
std::string rounding_of(const Graph& graph, const Node& node) {
  if (node.op != "conv_int8" || graph.type(node.inputs[0]).dtype != DType::f32) return "";
  if (!bind_conv_int8(node.attributes).data_layout.fixed) return "";
  return node.attributes.text("data_format") + "\n" + node.attributes.text("data_rule") + "\n" +
         node.attributes.text("data_options");
}

// The convolutions that read `value`, by how they round it; the largest group.
std::vector<NodeId> readers_that_agree(const Graph& graph, ValueId value) {
  std::map<std::string, std::vector<NodeId>> groups;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n)
    if (!graph.nodes[n].inputs.empty() && graph.nodes[n].inputs[0] == value)
      if (const std::string rounding = rounding_of(graph, graph.nodes[n]); !rounding.empty())
        groups[rounding].push_back(static_cast<NodeId>(n));
  const auto largest = std::max_element(
      groups.begin(), groups.end(),
      [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  return largest == groups.end() ? std::vector<NodeId>{} : largest->second;
}

bool is_read(const Graph& graph, ValueId value) {
  const bool given = std::any_of(graph.outputs.begin(), graph.outputs.end(),
                                 [&](const auto& output) { return output.second == value; });
  return given || std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) {
           return std::find(node.inputs.begin(), node.inputs.end(), value) != node.inputs.end();
         });
}

bool hand_on(Graph& graph, NodeId n) {
  const Node node = graph.node(n);
  const ValueId y = node.outputs[0];
  const std::vector<NodeId> readers = readers_that_agree(graph, y);
  if (readers.empty()) return false;
  Options attributes = node.attributes;
  const Options rounding = graph.node(readers[0]).attributes;
  for (const char* key : {"format", "rule", "options"})
    attributes.set(std::string("give_") + key, rounding.text(std::string("data_") + key));
  const std::string name = graph.value(y).name;
  // (Its readers change only once the types are known: both outputs first.)
  const ValueId both = graph.apply("conv_int8", node.inputs, attributes, name + ".values");
  const NodeId made = graph.value(both).producer;
  const ValueId codes = graph.node(made).outputs[1];
  for (const NodeId reader : readers) graph.node(reader).inputs[0] = codes;
  graph.replace_uses(y, both);
  if (is_read(graph, both)) return true;
  attributes.set("give_values", false);
  const ValueId alone = graph.apply("conv_int8", node.inputs, attributes, name + ".codes");
  graph.replace_uses(codes, alone);
  return true;
}

int run(const PassCall& call) {
  Graph& graph = call.graph;
  int changes = 0;
  const std::size_t count = graph.nodes.size();
  for (std::size_t n = 0; n < count; ++n)
    if (graph.nodes[n].op == "conv_int8" && graph.nodes[n].attributes.text("give_format").empty() &&
        hand_on(graph, static_cast<NodeId>(n)))
      ++changes;
  graph.sort();
  graph.remove_dead();
  return changes;
}

}  // namespace hand_on_codes_pass
}  // namespace

Pass pass_hand_on_codes() {
  using namespace hand_on_codes_pass;
  Pass pass{{"hand_on_codes", "gives 8-bit codes from convolution to convolution"}};
  pass.run = run;
  return pass;
}

}  // namespace hone
