// Gives values of chosen nodes a number format.
//
//   %y = linear(%x, %w, %b)   =>   %x.q = quantize(%x)   %w.q = quantize(%w)   %b.q = quantize(%b)
//                                  %y = linear(%x.q, %w.q, %b.q)
//
// A parameter that is kept as packed bits is read from them: %w.q = dequantize(%w.codes,
// %w.scales). Attention rounds its probabilities itself: its attributes name their format. A table
// is rounded where its rows are read, unless its rows depend on each other.
#include <algorithm>

#include <fmt/format.h>

#include "hone/core/dtype.hpp"
#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/graph/op.hpp"
#include "hone/ops/detail/quantizer.hpp"
#include "hone/passes/pass.hpp"
#include "hone/passes/quantization.hpp"

namespace hone {
namespace {

class Rewriter {
public:
  Rewriter(Graph& graph, const Json& packed) : graph_(graph), packed_(packed) {}

  void rewrite(const NodeFormats& formats) {
    const ValueId output = graph_.find(formats.node);
    if (output == none || graph_.value(output).producer == none)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("there is no node '{}' to quantize", formats.node),
                  "the formats belong to another model");
    const NodeId node = graph_.value(output).producer;
    const QuantizeSlots slots = find_op(graph_.node(node).op).slots;
    for (const auto& [slot, choice] : formats.slots) {
      switch (slot) {
        case Slot::data_in:
          for (std::size_t i = 0; i < slots.data.size(); ++i)
            round_input(node, slots.data[i], choice, step_name(formats.node, slot, i));
          break;
        case Slot::weight:
          if (!choice.learned && graph_.node(node).op == "embedding" &&
              is_by_rows(output, choice) && !is_packed(node, slots.weight))
            round_output(output, choice, "");
          else
            round_input(node, slots.weight, choice, step_name(formats.node, slot, 0));
          break;
        case Slot::bias: round_input(node, slots.bias, choice, ""); break;
        case Slot::data_out: round_output(output, choice, step_name(formats.node, slot, 0)); break;
        case Slot::probabilities: round_inside(node, choice); break;
      }
    }
  }

  // Parameters that are kept as bits.
  void read_packed() {
    for (const auto& [name, entry] : packed_.items()) {
      const ValueId parameter = graph_.find(name);
      // Not used by the graph, or bound as the numbers that its bits hold.
      if (parameter == none || entry.is_null()) continue;
      const ValueId codes = graph_.parameter(
          codes_name(name), {DType::u8, {Dim(entry.at("codes").get<std::int64_t>())}});
      ValueId scales = none;
      if (entry.contains("scales")) {
        ValueType type{dtype_from_name(entry.at("scales_dtype").get<std::string>()), {}};
        for (std::int64_t size : entry.at("scales").get<Shape>()) type.dims.emplace_back(size);
        scales = graph_.parameter(scales_name(name), type);
      }
      const Options attributes{{"format", entry.at("format").get<std::string>()},
                               {"rule", entry.at("rule").get<std::string>()},
                               {"options", entry.at("options").get<std::string>()},
                               {"bits", entry.at("bits").get<std::int64_t>()},
                               {"shape", entry.at("shape").get<std::string>()}};
      const ValueId values = graph_.apply("dequantize", {codes, scales}, attributes, name + ".q");
      graph_.replace_uses(parameter, values);
      ++changes_;
    }
  }

  int changes() const { return changes_; }

private:
  bool is_packed(NodeId node, int input) const {
    const ValueId id = graph_.node(node).inputs[static_cast<std::size_t>(input)];
    return packed_.contains(graph_.value(id).name);
  }

  bool is_by_rows(ValueId id, const FormatChoice& choice) const {
    const std::vector<Dim>& dims = graph_.type(id).dims;
    return dims.size() == 2 && dims[1].is_fixed() && choice.bind()->by_rows(dims[1].offset);
  }

  // The rounded value of `id`; one node serves all that ask for the same.
  // `step` names the trained step, where there is one.
  ValueId rounded(ValueId id, const FormatChoice& choice, const std::string& step) {
    const auto key = std::pair(id, to_string(choice));
    const auto known = rounded_.find(key);
    if (known != rounded_.end()) return known->second;
    const auto quantizer = choice.bind();
    const ValueType type = graph_.type(id);
    Options attributes = format_options(choice.format, choice.options, choice.rule);
    const std::string name = graph_.value(id).name + ".q";
    ValueId made = none;
    if (choice.learned) {
      const ValueId parameter = graph_.parameter(step, {DType::f32, {Dim(1)}});
      made = graph_.apply("quantize_learned", {id, parameter}, learned_options(choice, type), name);
    } else if (type.dims.size() == 2 && is_by_rows(id, choice)) {
      std::vector<ValueId> inputs{id};
      if (quantizer->is_stochastic() && graph_.find("rng") != none) {
        inputs.push_back(graph_.find("rng"));
        attributes.set("stream", first_stream + static_cast<std::int64_t>(rounded_.size()));
      }
      made = graph_.apply("quantize", inputs, attributes, name);
    } else {
      made = graph_.apply("quantize_tensor", {id}, attributes, name);
    }
    ++changes_;
    return rounded_[key] = made;
  }

  static Options learned_options(const FormatChoice& choice, const ValueType& type) {
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

  void round_input(NodeId node, int input, const FormatChoice& choice, const std::string& step) {
    const auto i = static_cast<std::size_t>(input);
    const ValueId id = graph_.node(node).inputs[i];
    if (id == none || is_packed(node, input)) return;
    const ValueId made = rounded(id, choice, step);
    graph_.node(node).inputs[i] = made;
  }

  void round_inside(NodeId node, const FormatChoice& choice) {
    const Options options = probabilities_options(choice.format, choice.options, choice.rule);
    for (const auto& [name, value] : options.values())
      graph_.node(node).attributes.set(name, value);
    ++changes_;
  }

  void round_output(ValueId output, const FormatChoice& choice, const std::string& step) {
    const ValueId made = rounded(output, choice, step);
    const NodeId own = graph_.value(made).producer;
    const std::vector<ValueId> inputs = graph_.node(own).inputs;
    graph_.replace_uses(output, made);
    graph_.node(own).inputs = inputs;
  }

  // Dropout's streams count up from 0.
  static constexpr std::int64_t first_stream = 1 << 20;

  Graph& graph_;
  const Json& packed_;
  std::map<std::pair<ValueId, std::string>, ValueId> rounded_;
  int changes_ = 0;
};

int run(Graph& graph, const Options& options) {
  const Json packed = parse_json(options.text("packed"), "pass quantize: packed");
  const Quantization quantization = quantization_from_json(
      parse_json(options.text("nodes"), "pass quantize: nodes"), "pass quantize: nodes");
  refuse_shared_scales(graph, quantization);
  Rewriter rewriter(graph, packed);
  for (const NodeFormats& formats : quantization) rewriter.rewrite(formats);
  rewriter.read_packed();
  graph.sort();
  graph.remove_dead();
  return rewriter.changes();
}

}  // namespace

Pass pass_quantize() {
  Pass pass{{"quantize",
             "gives values of chosen nodes a number format",
             {{"nodes", OptionType::text, std::string("[]"), "JSON: formats by node and slot"},
              {"packed", OptionType::text, std::string("{}"), "JSON: parameters kept as bits"}}}};
  pass.run = run;
  return pass;
}

}  // namespace hone
