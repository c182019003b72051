#include "hone/passes/quantization.hpp"
#include "hone/core/json.hpp"

#include <algorithm>
#include <cmath>
#include <regex>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/graph/op.hpp"
#include "hone/ops/detail/learned.hpp"
#include "hone/ops/detail/quantizer.hpp"

namespace hone {
namespace {

constexpr std::array<Slot, 5> all_slots{Slot::data_in, Slot::weight, Slot::bias, Slot::data_out,
                                        Slot::probabilities};

const char* name_of(Slot slot) { return slot_names[static_cast<std::size_t>(slot)]; }

[[noreturn]] void refuse(const std::string& message, const std::string& hint = "") {
  throw Error(ErrorCode::invalid_argument, message, hint);
}

// A key of a selection: its slot (none: all) and the option that it sets.
struct Key {
  std::optional<Slot> slot;
  std::string option;
};

Key parse_key(const std::string& text) {
  for (Slot slot : all_slots) {
    const std::string prefix = std::string(name_of(slot)) + "_";
    if (text.rfind(prefix, 0) == 0) return {slot, text.substr(prefix.size())};
  }
  return {std::nullopt, text};
}

// Parts between commas; those inside the brackets of a regular expression do not part it.
std::vector<std::string> split_patterns(const std::string& text) {
  std::vector<std::string> parts(1);
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && i + 1 < text.size()) {
      parts.back() += c;
      parts.back() += text[++i];
      continue;
    }
    if (c == '(' || c == '[' || c == '{') ++depth;
    if (c == ')' || c == ']' || c == '}') --depth;
    if (c == ',' && depth <= 0)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

bool can_learn(const std::string& format) { return format == "affine" || format == "integer"; }

// One selection, its keys sorted by slot; counts which of them took effect.
class Selection {
public:
  explicit Selection(const QuantizeSelection& given) : given_(given) {
    if (given.format.empty() && !names_a_format())
      refuse("no format is named", "give one: hone format list shows them");
    for (const auto& [text, value] : given.keys) {
      const Key key = parse_key(text);
      if (!key.slot && key.option == "format") refuse("the format is named twice");
      keys_.push_back({key, text, value, 0});
    }
    for (const std::string& part : split_patterns(given.nodes)) {
      const std::string pattern(trim(part));
      if (pattern.empty()) refuse(fmt::format("nodes '{}': an empty name", given.nodes));
      patterns_.push_back(pattern);
    }
    matched_.resize(patterns_.size(), false);
  }

  const QuantizeSelection& given() const { return given_; }
  // The first selection that matches a node takes it.
  void take() { takes_any_ = true; }

  bool matches(const Node& node, const std::string& name) {
    bool any = false;
    for (std::size_t i = 0; i < patterns_.size(); ++i) {
      if (!matches_pattern(patterns_[i], node, name)) continue;
      matched_[i] = true;
      any = true;
    }
    return any;
  }

  // The format of a slot, if it takes one.
  std::optional<FormatChoice> choose(Slot slot) {
    FormatChoice choice{given_.format};
    bool named = false;
    for (Entry& entry : keys_) {
      if (entry.key.slot != slot) continue;
      named = true;
      if (entry.key.option != "format") continue;
      ++entry.uses;
      choice.format = entry.value;
    }
    if (choice.format == "none" || choice.format.empty()) return std::nullopt;
    if ((slot == Slot::data_out || slot == Slot::probabilities) && !named) return std::nullopt;
    const Format& format = find_format(choice.format);
    if (!named && !format.applies_to(slot_kind(slot))) return std::nullopt;
    Options options;
    // Keys of the slot come after those of all slots.
    for (const bool own : {false, true}) {
      for (Entry& entry : keys_) {
        if (entry.key.slot.has_value() != own || (own && *entry.key.slot != slot)) continue;
        if (entry.key.option == "format") continue;
        if (entry.key.option == "rule") {
          if (!own && !has_rule(format, entry.value)) continue;
          if (entry.value != "exact" && takes_step(slot, choice.format))
            refuse(fmt::format("{} = {} and learned_step are both given", entry.text, entry.value),
                   "steps are trained under rule exact");
          choice.rule = entry.value;
        } else if (entry.key.option == "learned_step") {
          // Vectors keep scales of their own numbers.
          if (!can_learn(choice.format) || slot == Slot::bias || slot == Slot::probabilities) {
            if (own)
              refuse(
                  fmt::format("{}: only matrices in affine or integer learn a step", entry.text));
            continue;
          }
          choice.learned = entry.value == "true";
        } else {
          const auto spec =
              std::find_if(format.options.begin(), format.options.end(),
                           [&](const OptionSpec& known) { return known.name == entry.key.option; });
          if (spec == format.options.end()) {
            // Another slot's format may know it.
            if (!own) continue;
            find_option(format.options, entry.key.option, fmt::format("[{}]", format.name));
          }
          if (takes_step(slot, choice.format) &&
              !counts_beside_step(choice.format, entry.key.option)) {
            // The step of another slot may be the fixed one.
            if (!own) continue;
            refuse(fmt::format("{} changes nothing beside learned_step", entry.text),
                   "leave it out: the step is trained");
          }
          if (own || !overridden(slot, entry.key.option))
            options.set(spec->name, parse_option(*spec, entry.value,
                                                 fmt::format("[{}] {}", format.name, entry.text)));
          if (!own && overridden(slot, entry.key.option)) continue;
        }
        ++entry.uses;
      }
    }
    set_blocked_dimensions(format, choice.rule, slot, options);
    choice.options = format_options_text(options);
    choice.bind();
    if (slot == Slot::probabilities)
      bind_probabilities(probabilities_options(choice.format, choice.options, choice.rule));
    return choice;
  }

  void check_used() const {
    for (std::size_t i = 0; i < patterns_.size(); ++i)
      if (!matched_[i])
        refuse(fmt::format("nodes '{}' matches no node", patterns_[i]),
               "op types, names or regular expressions of whole names: hone explain MODEL "
               "lists them");
    if (!takes_any_)
      refuse(fmt::format("nodes '{}': selections before it take every node that it matches",
                         given_.nodes),
             "put it before them: the first that matches a node wins");
    for (const Entry& entry : keys_) {
      if (entry.uses > 0) continue;
      std::vector<std::string> known{"rule", "learned_step"};
      if (!given_.format.empty())
        for (const OptionSpec& spec : find_format(given_.format).options)
          known.push_back(spec.name);
      const bool is_known = std::find(known.begin(), known.end(), entry.key.option) != known.end();
      if (is_known)
        refuse(fmt::format("{} changes nothing on the nodes '{}'", entry.text, given_.nodes),
               "no node has that input, or every slot overrides it");
      refuse(fmt::format("[{}] has no option '{}'", given_.format, entry.key.option),
             did_you_mean(entry.key.option, known));
    }
  }

private:
  struct Entry {
    Key key;
    std::string text, value;
    int uses;
  };

  static SlotKind slot_kind(Slot slot) {
    return slot == Slot::weight ? SlotKind::weight
           : slot == Slot::bias ? SlotKind::bias
                                : SlotKind::data;
  }
  static bool has_rule(const Format& format, const std::string& rule) {
    return rule == "exact" ||
           std::find(format.rules.begin(), format.rules.end(), rule) != format.rules.end();
  }
  bool names_a_format() const {
    return std::any_of(given_.keys.begin(), given_.keys.end(), [](const auto& key) {
      const Key parsed = parse_key(key.first);
      return parsed.slot && parsed.option == "format";
    });
  }
  // Rule mase blocks activations row by row, weights and biases as they are.
  static void set_blocked_dimensions(const Format& format, const std::string& rule, Slot slot,
                                     Options& options) {
    const bool known = std::any_of(format.options.begin(), format.options.end(),
                                   [](const OptionSpec& o) { return o.name == "skip_first_dim"; });
    if (rule == "mase" && known && !options.contains("skip_first_dim"))
      options.set("skip_first_dim", slot == Slot::data_in || slot == Slot::data_out);
  }
  // Whether the slot's step is trained: what the last key says that counts for it.
  bool takes_step(Slot slot, const std::string& format) const {
    if (!can_learn(format) || slot == Slot::bias || slot == Slot::probabilities) return false;
    bool learned = false;
    for (const bool own : {false, true})
      for (const Entry& entry : keys_)
        if (entry.key.option == "learned_step" && entry.key.slot.has_value() == own &&
            (!own || entry.key.slot == slot))
          learned = entry.value == "true";
    return learned;
  }
  static bool counts_beside_step(const std::string& format, const std::string& option) {
    return option == "width" || (format == "integer" && option == "is_signed");
  }
  bool overridden(Slot slot, const std::string& option) const {
    return std::any_of(keys_.begin(), keys_.end(), [&](const Entry& entry) {
      return entry.key.slot == slot && entry.key.option == option;
    });
  }
  static bool matches_pattern(const std::string& pattern, const Node& node,
                              const std::string& name) {
    if (pattern == node.op || pattern == name) return true;
    try {
      return std::regex_match(name, std::regex(pattern));
    } catch (const std::regex_error& error) {
      refuse(fmt::format("nodes '{}' is neither a name nor a regular expression: {}", pattern,
                         error.what()));
    }
  }

  const QuantizeSelection& given_;
  std::vector<Entry> keys_;
  std::vector<std::string> patterns_;
  std::vector<bool> matched_;
  bool takes_any_ = false;
};

bool has_slots(const QuantizeSlots& slots) { return !slots.data.empty() || slots.weight >= 0; }

bool has_slot(const Node& node, const QuantizeSlots& slots, Slot slot) {
  const auto given = [&](int i) {
    return i >= 0 && static_cast<std::size_t>(i) < node.inputs.size() &&
           node.inputs[static_cast<std::size_t>(i)] != none;
  };
  switch (slot) {
    case Slot::data_in: return !slots.data.empty();
    case Slot::weight: return given(slots.weight);
    case Slot::bias: return given(slots.bias);
    case Slot::data_out: return true;
    case Slot::probabilities: return slots.probabilities;
  }
  return false;
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

// Errors of a selection begin with the place where it was read.
template <typename Body>
auto in_place(const QuantizeSelection& selection, const Body& body) {
  try {
    return body();
  } catch (const Error& error) {
    if (selection.where.empty()) throw;
    throw Error(error.code(), selection.where + ": " + error.message(), error.hint());
  }
}

Quantization select_formats(const Graph& graph, const std::vector<QuantizeSelection>& selections) {
  std::vector<Selection> prepared;
  prepared.reserve(selections.size());
  for (const QuantizeSelection& selection : selections)
    prepared.push_back(in_place(selection, [&] { return Selection(selection); }));
  Quantization quantization;
  for (const Node& node : graph.nodes) {
    const QuantizeSlots& slots = find_op(node.op).slots;
    if (!has_slots(slots)) continue;
    const std::string& name = graph.value(node.outputs[0]).name;
    Selection* first = nullptr;
    // Every selection is asked, so that one that only later ones hide does not count as matchless.
    for (Selection& selection : prepared)
      if (in_place(selection.given(), [&] { return selection.matches(node, name); }) &&
          first == nullptr)
        first = &selection;
    if (first == nullptr) continue;
    first->take();
    NodeFormats formats{name, {}};
    for (Slot slot : all_slots) {
      if (!has_slot(node, slots, slot)) continue;
      if (const auto choice = in_place(first->given(), [&] { return first->choose(slot); }))
        formats.slots[slot] = *choice;
    }
    if (!formats.slots.empty()) quantization.push_back(std::move(formats));
  }
  for (const Selection& selection : prepared)
    in_place(selection.given(), [&] { selection.check_used(); });
  if (quantization.empty()) refuse("the selections quantize nothing");
  return quantization;
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
        options.set("scale", static_cast<double>(std::abs(trained)));
      }
      choice.options = format_options_text(options);
      choice.learned = false;
    }
  }
  return frozen;
}

}  // namespace hone
