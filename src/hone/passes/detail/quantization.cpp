#include "hone/passes/quantization.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/graph/op.hpp"
#include "hone/graph/weight.hpp"
#include "hone/ops/detail/quantizer.hpp"
#include "hone/passes/detail/rounding.hpp"
#include "hone/passes/detail/slots.hpp"
#include "hone/passes/learned_steps.hpp"

namespace hone {
namespace {

// The format in which a node reads an input, past what stands between that is no rounding (masks).
std::optional<FormatChoice> input_format(const Graph& graph, ValueId id) {
  while (const Node* producer = graph.producer(id)) {
    if (is_rounding(*producer))
      return producer->attributes.text_or("slot", "") == "data_out" ? std::nullopt
                                                                    : format_of_node(*producer);
    const int next = find_op(producer->op).stands_for;
    if (next < 0) return format_of_node(*producer);
    id = producer->inputs[static_cast<std::size_t>(next)];
  }
  return std::nullopt;
}

std::optional<FormatChoice> output_format(const Graph& graph, ValueId output) {
  for (const Node& node : graph.nodes)
    if (is_rounding(node) && node.inputs[0] == output &&
        node.attributes.text_or("slot", "") == "data_out")
      return format_of_node(node);
  return std::nullopt;
}

// The values around one that have its order of dimensions: through nodes that move none and give
// the same rank.
bool keeps_order(const Graph& graph, const Node& node, ValueId in, ValueId out) {
  return node.op != "transpose" && node.op != "reshape" &&
         graph.type(in).dims.size() == graph.type(out).dims.size();
}

// Whether a value follows from planes, or leads to a convolution of them, their order kept.
bool is_planes(const Graph& graph, ValueId id) {
  const std::vector<std::vector<NodeId>> readers = graph.readers();
  std::vector<ValueId> todo{id};
  std::set<ValueId> seen{id};
  const auto reach = [&](ValueId next) {
    if (seen.insert(next).second) todo.push_back(next);
  };
  while (!todo.empty()) {
    const ValueId at = todo.back();
    todo.pop_back();
    if (const Node* producer = graph.producer(at)) {
      if (find_op(producer->op).slots.planes) return true;
      for (const ValueId input : producer->inputs)
        if (input != none && keeps_order(graph, *producer, input, at)) reach(input);
    }
    for (const NodeId number : readers[static_cast<std::size_t>(at)]) {
      const Node& reader = graph.node(number);
      const QuantizeSlots& slots = find_op(reader.op).slots;
      for (const int data : slots.planes ? slots.data : std::vector<int>{})
        if (reader.inputs[static_cast<std::size_t>(data)] == at) return true;
      if (!slots.planes && keeps_order(graph, reader, at, reader.outputs[0]))
        reach(reader.outputs[0]);
    }
  }
  return false;
}

// The input of a node that a slot is, -1 where it has none.
int slot_input(const Node& node, const QuantizeSlots& slots, Slot slot) {
  const int input = slot == Slot::weight ? slots.weight : slot == Slot::bias ? slots.bias : -1;
  return input >= 0 && static_cast<std::size_t>(input) < node.inputs.size() &&
                 node.inputs[static_cast<std::size_t>(input)] != none
             ? input
             : -1;
}

}  // namespace

std::unique_ptr<const Quantizer> FormatChoice::bind() const {
  return bind_format(format, rule, parse_format_options(find_format(format), options));
}

std::string to_string(const FormatChoice& choice) {
  std::string text = choice.format;
  if (choice.rule != "exact") text += " rule=" + choice.rule;
  if (choice.learned) text += " learned";
  return choice.options.empty() ? text : text + " " + choice.options;
}

Json to_json(const Quantization& quantization) {
  Json list = Json::array();
  for (const NodeFormats& node : quantization) {
    Json entry{{"node", node.node}};
    for (const auto& [slot, choice] : node.slots)
      entry[name_of(slot)] = {
          {"format", choice.format}, {"rule", choice.rule}, {"options", choice.options}};
    for (const auto& [slot, choice] : node.slots)
      if (choice.learned) entry[name_of(slot)]["learned"] = true;
    list.push_back(std::move(entry));
  }
  return list;
}

bool is_rounding(const Node& node) {
  return node.op == "quantize" || node.op == "quantize_tensor" || node.op == "quantize_learned";
}

std::optional<FormatChoice> format_of_node(const Node& node) {
  if (node.op == "quantize_learned") return learned_choice(node);
  if (!is_rounding(node) && node.op != "dequantize") return std::nullopt;
  return FormatChoice{node.attributes.text("format"), node.attributes.text("rule"),
                      node.attributes.text("options")};
}

TensorRows rows_of(const Graph& graph, ValueId id) {
  if (graph.type(id).dims.size() < 3) return TensorRows::last;
  const ValueId own = behind(graph, id);
  for (const Node& node : graph.nodes) {
    const QuantizeSlots& slots = find_op(node.op).slots;
    if (slots.planes && behind(graph, node.inputs[static_cast<std::size_t>(slots.weight)]) == own)
      return TensorRows::filters;
  }
  return is_planes(graph, own) ? TensorRows::channels : TensorRows::last;
}

TensorRows rows_of(const Graph& graph, ValueId id, const FormatChoice& choice) {
  const auto quantizer = choice.bind();
  return quantizer->by_elements() || quantizer->by_shape() ? TensorRows::last : rows_of(graph, id);
}

std::unique_ptr<const Quantizer> bind_for(const Graph& graph, ValueId id,
                                          const FormatChoice& choice) {
  return by_tensor_rows(choice.bind(), rows_of(graph, id));
}

bool rounds_by_rows(const Graph& graph, ValueId id, const FormatChoice& choice) {
  const std::vector<Dim>& dims = graph.type(id).dims;
  if (dims.size() < 2) return false;
  const auto quantizer = choice.bind();
  if (dims.size() > 2 && quantizer->by_shape()) return false;
  const std::optional<std::int64_t> length = fixed_row_length(dims, rows_of(graph, id));
  return length && quantizer->by_rows(*length);
}

Quantization formats_of(const Graph& graph) {
  Quantization quantization;
  for (const Node& node : graph.nodes) {
    const QuantizeSlots& slots = find_op(node.op).slots;
    if (!has_slots(slots)) continue;
    NodeFormats formats{graph.value(node.outputs[0]).name, {}};
    const auto set = [&](Slot slot, std::optional<FormatChoice> choice) {
      if (choice && formats.slots.count(slot) == 0) formats.slots[slot] = std::move(*choice);
    };
    for (const int i : slots.data)
      set(Slot::data_in, input_format(graph, node.inputs[static_cast<std::size_t>(i)]));
    for (const Slot slot : {Slot::weight, Slot::bias})
      if (const int input = slot_input(node, slots, slot); input >= 0)
        set(slot, input_format(graph, node.inputs[static_cast<std::size_t>(input)]));
    set(Slot::data_out, output_format(graph, node.outputs[0]));
    const std::string name =
        slots.probabilities ? node.attributes.text_or("probabilities_format", "") : "";
    if (!name.empty())
      set(Slot::probabilities,
          FormatChoice{name, node.attributes.text_or("probabilities_rule", "exact"),
                       node.attributes.text_or("probabilities_options", "")});
    if (!formats.slots.empty()) quantization.push_back(std::move(formats));
  }
  return quantization;
}

void remove_formats(Graph& graph) {
  for (Node& node : graph.nodes) {
    if (find_op(node.op).slots.probabilities)
      for (const OptionSpec& spec : probabilities_attributes())
        node.attributes.set(spec.name, *spec.default_value);
  }
  for (std::size_t n = 0; n < graph.nodes.size(); ++n)
    if (is_rounding(graph.nodes[n]))
      graph.replace_uses(graph.nodes[n].outputs[0], graph.nodes[n].inputs[0]);
  graph.remove_dead();
}

std::vector<ValueId> slot_values(const Graph& graph, const std::string& name, Slot slot) {
  const NodeId found = graph.find_node(name);
  if (found == none) return {};
  const Node& node = graph.node(found);
  const QuantizeSlots& slots = find_op(node.op).slots;
  std::vector<ValueId> values;
  if (slot == Slot::data_in)
    for (const int i : slots.data)
      values.push_back(behind(graph, node.inputs[static_cast<std::size_t>(i)]));
  if (slot == Slot::data_out) values.push_back(node.outputs[0]);
  if (const int input = slot_input(node, slots, slot); input >= 0)
    values.push_back(behind(graph, node.inputs[static_cast<std::size_t>(input)]));
  return values;
}

std::vector<std::pair<std::string, FormatChoice>> quantized_parameters(
    const Graph& graph, const Quantization& quantization) {
  std::vector<std::pair<std::string, FormatChoice>> list;
  for (const NodeFormats& formats : quantization) {
    for (const Slot slot : {Slot::weight, Slot::bias}) {
      const auto choice = formats.slots.find(slot);
      if (choice == formats.slots.end()) continue;
      const std::vector<ValueId> values = slot_values(graph, formats.node, slot);
      if (values.empty() || !is_weight(graph, values.front())) continue;
      const Value& value = graph.value(values.front());
      const auto known = std::find_if(list.begin(), list.end(),
                                      [&](const auto& entry) { return entry.first == value.name; });
      if (known == list.end())
        list.emplace_back(value.name, choice->second);
      else if (!(known->second == choice->second))
        refuse(fmt::format("%{} would be both {} and {}", value.name, to_string(known->second),
                           to_string(choice->second)),
               "nodes that share a parameter need one format for it");
    }
  }
  return list;
}

}  // namespace hone
