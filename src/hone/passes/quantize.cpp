// Gives values of chosen nodes a number format: %y = linear(%x, %w, %b) becomes
// linear(quantize(%x), quantize(%w), quantize_tensor(%b)). Nodes that ask for the same rounding of
// a value share it. Attention rounds its probabilities itself: its attributes name their format.
#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/graph/op.hpp"
#include "hone/graph/weight.hpp"
#include "hone/ops/detail/quantizer.hpp"
#include "hone/passes/detail/rounding.hpp"
#include "hone/passes/detail/slots.hpp"
#include "hone/passes/format_checks.hpp"
#include "hone/passes/lora.hpp"
#include "hone/passes/pass.hpp"
#include "hone/passes/select_formats.hpp"

namespace hone {
namespace {
namespace quantize_pass {

// Dropout's streams count up from 0.
constexpr std::int64_t first_stream = 1 << 20;

std::int64_t next_stream(const Graph& graph) {
  std::int64_t stream = first_stream;
  for (const Node& node : graph.nodes)
    if (node.op == "quantize" && node.inputs.size() > 1)
      stream = std::max(stream, node.attributes.integer("stream") + 1);
  return stream;
}

std::string step_name(const std::string& node, Slot slot, std::size_t input) {
  return fmt::format("{}.{}{}.step", node, name_of(slot),
                     input == 0 ? "" : fmt::format(".{}", input));
}

Options learned_options(const FormatChoice& choice, const ValueType& type) {
  const Options given = parse_format_options(find_format(choice.format), choice.options);
  const bool integer = choice.format == "integer";
  // Of a weight all numbers count, of data the numbers of a row.
  std::int64_t count = 1;
  for (const Dim& dim : type.dims) count *= dim.is_fixed() ? dim.offset : 1;
  return {{"width", given.integer_or("width", 8)},
          {"is_signed", given.boolean_or("is_signed", true)},
          {"symmetric", !integer},
          {"power_of_two", integer},
          {"count", count}};
}

class Rewriter {
public:
  explicit Rewriter(Graph& graph) : graph_(graph) {}

  void rewrite(const NodeFormats& formats) {
    const NodeId node = graph_.find_node(formats.node);
    if (node == none)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("there is no node '{}' to quantize", formats.node),
                  "the formats belong to another model");
    const QuantizeSlots slots = find_op(graph_.node(node).op).slots;
    for (const auto& [slot, choice] : formats.slots) {
      if (!has_slot(graph_.node(node), slots, slot))
        throw Error(
            ErrorCode::invalid_argument,
            fmt::format("'{}', a {}, has no {}", formats.node, graph_.node(node).op, name_of(slot)),
            "the formats belong to another model");
      switch (slot) {
        case Slot::data_in:
          for (std::size_t i = 0; i < slots.data.size(); ++i)
            round_input(node, slots.data[i], choice, step_name(formats.node, slot, i));
          break;
        case Slot::weight:
          round_input(node, slots.weight, choice, step_name(formats.node, slot, 0));
          break;
        case Slot::bias: round_input(node, slots.bias, choice, ""); break;
        case Slot::data_out:
          round_output(graph_.node(node).outputs[0], choice, step_name(formats.node, slot, 0));
          break;
        case Slot::probabilities: round_inside(node, choice); break;
      }
    }
  }

  int changes() const { return changes_; }

private:
  // The rounded value of `id`; one node serves all that ask for the same.
  // `step` names the trained step, where there is one.
  ValueId rounded(ValueId id, const FormatChoice& choice, const std::string& step,
                  const std::string& slot) {
    const auto key = std::pair(id, to_string(choice));
    const auto known = rounded_.find(key);
    if (known != rounded_.end()) return known->second;
    ++changes_;
    if (!choice.learned) return rounded_[key] = append_rounding(graph_, id, choice, slot);
    const ValueId parameter = graph_.parameter(step, {DType::f32, {Dim(1)}});
    Options options = learned_options(choice, graph_.type(id));
    options.set("slot", slot);
    return rounded_[key] = graph_.apply("quantize_learned", {id, parameter}, options,
                                        graph_.value(id).name + ".q");
  }

  void round_input(NodeId node, int input, const FormatChoice& choice, const std::string& step) {
    const auto i = static_cast<std::size_t>(input);
    const ValueId id = graph_.node(node).inputs[i];
    const ValueId made = rounded(id, choice, step, "");
    graph_.node(node).inputs[i] = made;
  }

  void round_inside(NodeId node, const FormatChoice& choice) {
    const Options options = probabilities_options(choice.format, choice.options, choice.rule);
    for (const auto& [name, value] : options.values())
      graph_.node(node).attributes.set(name, value);
    ++changes_;
  }

  void round_output(ValueId output, const FormatChoice& choice, const std::string& step) {
    const ValueId made = rounded(output, choice, step, "data_out");
    const NodeId own = graph_.value(made).producer;
    const std::vector<ValueId> inputs = graph_.node(own).inputs;
    graph_.replace_uses(output, made);
    graph_.node(own).inputs = inputs;
  }

  Graph& graph_;
  std::map<std::pair<ValueId, std::string>, ValueId> rounded_;
  int changes_ = 0;
};

// "width=8,weight_format=mxint"
std::vector<std::pair<std::string, std::string>> parse_keys(const std::string& text) {
  std::vector<std::pair<std::string, std::string>> keys;
  if (text.empty()) return keys;
  for (const std::string& part : split(text, ',')) {
    const std::size_t at = part.find('=');
    if (at == std::string::npos)
      throw Error(ErrorCode::invalid_argument, "pass quantize: set: '" + part + "' has no value",
                  "for example width=8,weight_width=4");
    keys.emplace_back(trim(part.substr(0, at)), trim(part.substr(at + 1)));
  }
  return keys;
}

int run(const PassCall& call) {
  QuantizeSelection selection{call.options.text("nodes"), call.options.text("format"),
                              parse_keys(call.options.text("set"))};
  Graph plain = call.graph;
  remove_formats(plain);
  const Quantization formats = select_formats(plain, {selection});
  refuse_shared_scales(plain, formats);
  return apply_formats(call.graph, formats);
}

}  // namespace quantize_pass
}  // namespace

ValueId append_rounding(Graph& graph, ValueId id, const FormatChoice& choice,
                        const std::string& slot) {
  using namespace quantize_pass;
  Options attributes = format_options(choice.format, choice.options, choice.rule);
  attributes.set("slot", slot);
  if (const TensorRows rows = rows_of(graph, id, choice); rows != TensorRows::last)
    attributes.set("rows", std::string(name_of(rows)));
  const std::string name = graph.value(id).name + ".q";
  if (!rounds_by_rows(graph, id, choice))
    return graph.apply("quantize_tensor", {id}, attributes, name);
  std::vector<ValueId> inputs{id};
  if (choice.bind()->is_stochastic()) {
    ValueId rng = graph.find("rng");
    if (rng == none) rng = graph.input("rng", {DType::u32, {3}});
    inputs.push_back(rng);
    attributes.set("stream", next_stream(graph));
  }
  return graph.apply("quantize", inputs, attributes, name);
}

int apply_formats(Graph& graph, const Quantization& quantization) {
  using namespace quantize_pass;
  remove_formats(graph);
  quantized_parameters(graph, quantization);
  Rewriter rewriter(graph);
  for (const NodeFormats& formats : quantization) rewriter.rewrite(formats);
  follow_bases(graph);
  graph.sort();
  graph.remove_dead();
  return rewriter.changes();
}

Pass pass_quantize() {
  using namespace quantize_pass;
  Pass pass{{"quantize",
             "gives values of chosen nodes a number format",
             {{"nodes", OptionType::text, std::string(layers_selection),
               "ops, names, regular expressions"},
              {"format", OptionType::text, std::string(), "number format"},
              {"set", OptionType::text, std::string(), "its options: width=8,weight_width=4"}}}};
  pass.run = run;
  return pass;
}

}  // namespace hone
