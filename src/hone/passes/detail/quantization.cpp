#include "hone/passes/quantization.hpp"
#include "hone/core/json.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/graph/op.hpp"
#include "hone/ops/detail/learned.hpp"
#include "hone/ops/detail/quantizer.hpp"
#include "hone/passes/detail/slots.hpp"

namespace hone {
namespace {

[[noreturn]] void refuse(const std::string& message, const std::string& hint = "") {
  throw Error(ErrorCode::invalid_argument, message, hint);
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

namespace {

bool holds_negatives(const FormatChoice& choice) {
  return parse_format_options(find_format(choice.format), choice.options)
      .boolean_or("is_signed", true);
}

}  // namespace

void refuse_unsigned(const FormatChoice& choice, double smallest, const std::string& what) {
  if (holds_negatives(choice) || !(smallest < 0)) return;
  refuse(fmt::format("%{} has negative numbers (down to {:.3g}), {} holds none", what, smallest,
                     to_string(choice)),
         "leave is_signed out; give it only to slots whose numbers are never negative");
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

Quantization quantization_from_json(const Json& json, const std::string& where) {
  const auto wrong = [&](std::size_t i, const std::string& what) {
    throw Error(ErrorCode::bad_format, fmt::format("{}: node {}: {}", where, i, what),
                "written by another version of hone, or damaged");
  };
  if (!json.is_array())
    throw Error(ErrorCode::bad_format, where + ": not a list of nodes",
                "written by another version of hone, or damaged");
  Quantization quantization;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const Json& entry = json[i];
    if (!entry.is_object() || !entry.contains("node") || !entry["node"].is_string())
      wrong(i, "has no name");
    NodeFormats node{entry["node"].get<std::string>(), {}};
    for (const auto& [key, value] : entry.items()) {
      if (key == "node") continue;
      const auto slot = std::find_if(all_slots.begin(), all_slots.end(),
                                     [&, name = key](Slot s) { return name == name_of(s); });
      if (slot == all_slots.end()) wrong(i, "unknown key '" + printable(key) + "'");
      if (value.is_object())
        for (const auto& [name, field] : value.items())
          if (name != "format" && name != "rule" && name != "options" && name != "learned")
            wrong(i, fmt::format("{}: unknown key '{}'", key, printable(name, 100)));
      FormatChoice choice;
      for (const auto& [name, field] :
           {std::pair<const char*, std::string*>{"format", &choice.format},
            {"rule", &choice.rule},
            {"options", &choice.options}}) {
        if (!value.is_object() || !value.contains(name) || !value[name].is_string())
          wrong(i, fmt::format("{}: '{}' is not a text", key, name));
        *field = value[name].get<std::string>();
      }
      if (value.contains("learned")) {
        if (!value["learned"].is_boolean() || !can_learn(choice.format))
          wrong(i, key + ": 'learned' is not for this format");
        choice.learned = value["learned"].get<bool>();
      }
      try {
        choice.bind();
      } catch (const Error& error) {
        wrong(i, fmt::format("{}: {}", key, error.message()));
      }
      node.slots[*slot] = std::move(choice);
    }
    quantization.push_back(std::move(node));
  }
  return quantization;
}

void check_nodes(const Graph& graph, const Quantization& quantization, const std::string& where) {
  std::set<std::string> seen;
  for (const NodeFormats& formats : quantization) {
    const auto wrong = [&](const std::string& what) {
      throw Error(ErrorCode::bad_format, fmt::format("{}: '{}': {}", where, formats.node, what),
                  "the formats belong to another model, or were edited");
    };
    if (!seen.insert(formats.node).second) wrong("is given twice");
    const ValueId output = graph.find(formats.node);
    if (output == none || graph.value(output).producer == none) wrong("the model has no such node");
    const Node& node = graph.node(graph.value(output).producer);
    const QuantizeSlots& slots = find_op(node.op).slots;
    for (const auto& [slot, choice] : formats.slots)
      if (!has_slots(slots) || !has_slot(node, slots, slot))
        wrong(fmt::format("the node, {}, has no {}", node.op, name_of(slot)));
  }
}

std::vector<std::pair<std::string, FormatChoice>> quantized_parameters(
    const Graph& graph, const Quantization& quantization) {
  std::vector<std::pair<std::string, FormatChoice>> list;
  for (const NodeFormats& formats : quantization) {
    const ValueId output = graph.find(formats.node);
    if (output == none) continue;
    const Node& node = graph.node(graph.value(output).producer);
    const QuantizeSlots& slots = find_op(node.op).slots;
    for (const auto& [slot, input] :
         {std::pair{Slot::weight, slots.weight}, {Slot::bias, slots.bias}}) {
      const auto choice = formats.slots.find(slot);
      if (choice == formats.slots.end() || input < 0) continue;
      const Value& value = graph.value(node.inputs[static_cast<std::size_t>(input)]);
      if (value.kind != ValueKind::parameter) continue;
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

std::string codes_name(const std::string& parameter) { return parameter + ".codes"; }
std::string scales_name(const std::string& parameter) { return parameter + ".scales"; }

Options quantize_options(const Quantization& quantization, const PackedParameters& packed) {
  Json bits = Json::object();
  for (const auto& [name, parameter] : packed) {
    const PackedTensor& tensor = parameter.packed;
    if (!is_read_as_bits(parameter)) {
      bits[name] = nullptr;
      continue;
    }
    bits[name] = {{"format", parameter.format.format},      {"rule", parameter.format.rule},
                  {"options", parameter.format.options},    {"bits", tensor.code_bits},
                  {"shape", shape_attribute(tensor.shape)}, {"codes", tensor.codes.size()}};
    if (tensor.scales.empty()) continue;
    bits[name]["scales"] = tensor.scales.shape();
    bits[name]["scales_dtype"] = std::string(name_of(tensor.scales.dtype()));
  }
  return {{"nodes", to_json(quantization).dump()}, {"packed", bits.dump()}};
}

std::vector<ValueId> observed_values(const Graph& graph, const NodeFormats& formats) {
  std::vector<ValueId> values;
  const ValueId output = graph.find(formats.node);
  if (output == none || graph.value(output).producer == none) return values;
  const Node& node = graph.node(graph.value(output).producer);
  if (formats.slots.count(Slot::data_in) != 0)
    for (int i : find_op(node.op).slots.data)
      values.push_back(node.inputs[static_cast<std::size_t>(i)]);
  if (formats.slots.count(Slot::data_out) != 0) values.push_back(output);
  return values;
}

namespace {

// The values of a slot.
std::vector<ValueId> slot_values(const Graph& graph, const std::string& name, Slot slot,
                                 const FormatChoice& choice) {
  if (slot != Slot::weight && slot != Slot::bias)
    return observed_values(graph, {name, {{slot, choice}}});
  const ValueId output = graph.find(name);
  if (output == none || graph.value(output).producer == none) return {};
  const Node& node = graph.node(graph.value(output).producer);
  const QuantizeSlots& slots = find_op(node.op).slots;
  return {node.inputs[static_cast<std::size_t>(slot == Slot::weight ? slots.weight : slots.bias)]};
}

}  // namespace

std::string stats_name(const std::string& value) { return value + ".stats"; }

void refuse_untrained(const Quantization& quantization) {
  for (const NodeFormats& formats : quantization)
    for (const auto& [slot, choice] : formats.slots)
      if (choice.learned || choice.bind()->is_stochastic())
        refuse(fmt::format("{} changes nothing without training",
                           choice.learned ? "learned_step" : "stochastic"),
               "leave it out, or train with the rounding: --qat --data DATA");
}

namespace {

// What makes the rows of a format independent.
std::string own_scales(const FormatChoice& choice, Slot slot, std::int64_t columns) {
  const Format& format = find_format(choice.format);
  const Options options = parse_format_options(format, choice.options);
  if (options.text_or("granularity", "") == "tensor")
    return fmt::format(
        "granularity = channel gives each token a scale of its own{}",
        format.fit_range == nullptr ? "" : "; --calibrate DATA fits one scale to all texts");
  if (choice.rule == "exact") return "give block_size one number: blocks lie within a token then";
  if (options.contains("block_dim") && options.integer("block_dim") != -1)
    return "leave block_dim out: blocks lie within a token then";
  if (choice.format.rfind("mx", 0) == 0)
    return fmt::format("choose a block_size that divides {}, or rule exact", columns);
  return fmt::format("use rule exact, or leave the data as it is: {}_format = none", name_of(slot));
}

}  // namespace

void refuse_shared_scales(const Graph& graph, const Quantization& quantization) {
  for (const NodeFormats& formats : quantization)
    for (const auto& [slot, choice] : formats.slots) {
      if (choice.learned || (slot != Slot::data_in && slot != Slot::data_out)) continue;
      for (ValueId id : slot_values(graph, formats.node, slot, choice)) {
        const ValueType& type = graph.type(id);
        if (graph.value(id).kind == ValueKind::parameter || type.dims.size() != 2 ||
            !type.dims[1].is_fixed())
          continue;
        const std::int64_t columns = type.dims[1].offset;
        if (choice.bind()->by_rows(columns)) continue;
        refuse(fmt::format("%{}: {} would share scales among all texts of a batch: what a text "
                           "becomes would depend on the texts beside it",
                           graph.value(id).name, to_string(choice)),
               own_scales(choice, slot, columns));
      }
    }
}

void refuse_unsigned_data(const Graph& graph, const Quantization& quantization) {
  for (const NodeFormats& formats : quantization)
    for (const auto& [slot, choice] : formats.slots) {
      if ((slot != Slot::data_in && slot != Slot::data_out) || holds_negatives(choice)) continue;
      for (ValueId id : slot_values(graph, formats.node, slot, choice)) {
        const NodeId producer = graph.value(id).producer;
        if (producer != none && find_op(graph.node(producer).op).non_negative) continue;
        refuse(fmt::format("%{} may have negative numbers, {} holds none", graph.value(id).name,
                           to_string(choice)),
               "leave is_signed out; or --calibrate DATA checks the numbers of data");
      }
    }
}

namespace {

bool is_fitted(Slot slot, const FormatChoice& choice) {
  // Probabilities are seen from the largest of their row: 0 to 1 whatever the data is.
  if (slot == Slot::probabilities) return false;
  const Format& format = find_format(choice.format);
  const bool own_scales = slot == Slot::weight || slot == Slot::bias;
  return format.fit_range != nullptr && !(own_scales && format.scales_itself);
}

}  // namespace

void check_calibration(const Quantization& quantization) {
  bool any = false;
  for (const NodeFormats& formats : quantization)
    for (const auto& [slot, choice] : formats.slots) {
      if (!is_fitted(slot, choice)) continue;
      any = true;
      if (!holds_negatives(choice)) return;  // checked against the data
      const Format& format = find_format(choice.format);
      const Options given = parse_format_options(format, choice.options);
      const Options fitted = format.fit_range(given, -3.0f, 5.0f);
      for (const auto& [name, value] : fitted.values())
        if (!given.contains(name)) return;
    }
  if (!any)
    refuse("none of the formats has a scale to calibrate",
           "leave out --calibrate, or choose integer, affine, minifloat_* or log");
  refuse("calibrating changes no format: every scale, point and bias is given",
         "leave out --calibrate, or the options that it would fit");
}

void calibrate(Quantization& quantization, const Graph& graph, const Stats& stats,
               RangeMethod method, double percentile) {
  check_calibration(quantization);
  for (NodeFormats& formats : quantization) {
    for (auto& [slot, choice] : formats.slots) {
      if (!is_fitted(slot, choice)) continue;
      ValueStats seen;
      for (ValueId id : slot_values(graph, formats.node, slot, choice)) {
        const auto found = stats.find(graph.value(id).name);
        if (found == stats.end()) continue;
        if (found->second.count() > 0)
          refuse_unsigned(choice, found->second.minimum(), graph.value(id).name);
        seen.merge(found->second);
      }
      const Format& format = find_format(choice.format);
      choice.options = format_options_text(
          calibrated_options(format, choice.rule, parse_format_options(format, choice.options),
                             seen, method, percentile));
    }
  }
}

std::string step_name(const std::string& node, Slot slot, std::size_t input) {
  return fmt::format("{}.{}{}.step", node, name_of(slot),
                     input == 0 ? "" : fmt::format(".{}", input));
}

std::vector<LearnedStep> learned_steps(const Graph& graph, const Quantization& quantization) {
  std::vector<LearnedStep> steps;
  for (const NodeFormats& formats : quantization) {
    for (const auto& [slot, choice] : formats.slots) {
      if (!choice.learned) continue;
      const std::vector<ValueId> values = slot_values(graph, formats.node, slot, choice);
      for (std::size_t i = 0; i < values.size(); ++i) {
        const std::string& value = graph.value(values[i]).name;
        // Readers of one value in one format share its step.
        const bool known =
            std::any_of(steps.begin(), steps.end(), [&, &wanted = choice](const LearnedStep& step) {
              return step.value == value && step.choice == wanted;
            });
        if (!known)
          steps.push_back({step_name(formats.node, slot, i), formats.node, slot, value, choice});
      }
    }
  }
  return steps;
}

double learned_high(const FormatChoice& choice) {
  const Options options = parse_format_options(find_format(choice.format), choice.options);
  const bool is_signed = choice.format == "affine" || options.boolean_or("is_signed", true);
  const double width = static_cast<double>(options.integer_or("width", 8));
  return std::exp2(is_signed ? width - 1 : width) - 1;
}

Quantization freeze_steps(const Graph& graph, const Quantization& quantization,
                          const std::map<std::string, float>& steps) {
  Quantization frozen = quantization;
  const std::vector<LearnedStep> learned = learned_steps(graph, quantization);
  for (NodeFormats& formats : frozen) {
    for (auto& [slot, choice] : formats.slots) {
      if (!choice.learned) continue;
      const std::vector<ValueId> values = slot_values(graph, formats.node, slot, choice);
      const auto step = std::find_if(
          learned.begin(), learned.end(), [&, &wanted = choice](const LearnedStep& known) {
            return known.value == graph.value(values.front()).name && known.choice == wanted;
          });
      const float trained = steps.at(step->parameter);
      Options options = parse_format_options(find_format(choice.format), choice.options);
      if (choice.format == "integer") {
        const LearnedGrid grid({{"width", options.integer_or("width", 8)},
                                {"is_signed", true},
                                {"symmetric", false},
                                {"power_of_two", true}},
                               trained);
        options.set("frac_width", std::int64_t{-std::lround(std::log2(grid.step))});
      } else {
        options.set("scale", static_cast<double>(std::max(std::abs(trained), least_step)));
      }
      choice.options = format_options_text(options);
      choice.learned = false;
    }
  }
  return frozen;
}

}  // namespace hone
