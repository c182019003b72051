#include "hone/passes/select_formats.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/graph/selection.hpp"
#include "hone/ops/detail/quantizer.hpp"
#include "hone/passes/detail/slots.hpp"

namespace hone {
namespace {

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

// One selection, its keys sorted by slot; counts which of them took effect.
class FormatSelection {
public:
  explicit FormatSelection(const QuantizeSelection& given) : given_(given), nodes_(given.nodes) {
    if (given.format.empty() && !names_a_format())
      refuse("no format is named", "give one: hone format list shows them");
    for (const auto& [text, value] : given.keys) {
      const Key key = parse_key(text);
      if (!key.slot && key.option == "format") refuse("the format is named twice");
      keys_.push_back({key, text, value, 0});
    }
  }

  const QuantizeSelection& given() const { return given_; }
  // The first selection that matches a node takes it.
  void take() { takes_any_ = true; }

  bool matches(const std::string& op, const std::vector<std::string>& names) {
    return nodes_.matches(op, names);
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
    if (choice.learned &&
        (options.integer_or("width", 8) < 2 || options.integer_or("width", 8) > 24))
      refuse(
          fmt::format("width = {} and learned_step are both given", options.integer_or("width", 8)),
          "steps are trained for widths from 2 to 24");
    if (slot == Slot::probabilities)
      bind_probabilities(probabilities_options(choice.format, choice.options, choice.rule));
    return choice;
  }

  void check_used(const Graph& graph) const {
    nodes_.require_matches(
        graph, [](const Node& node) { return has_slots(find_op(node.op).slots); }, "number format");
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
  const QuantizeSelection& given_;
  std::vector<Entry> keys_;
  Selection nodes_;
  bool takes_any_ = false;
};

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

}  // namespace

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

Quantization select_formats(const Graph& graph, const std::vector<QuantizeSelection>& selections) {
  std::vector<FormatSelection> prepared;
  prepared.reserve(selections.size());
  for (const QuantizeSelection& selection : selections)
    prepared.push_back(in_place(selection, [&] { return FormatSelection(selection); }));
  Quantization quantization;
  for (const Node& node : graph.nodes) {
    const QuantizeSlots& slots = find_op(node.op).slots;
    if (!has_slots(slots)) continue;
    const std::vector<std::string> names = selection_names(graph, node);
    FormatSelection* first = nullptr;
    // Every selection is asked, so that one that only later ones hide does not count as matchless.
    for (FormatSelection& selection : prepared)
      if (selection.matches(node.op, names) && first == nullptr) first = &selection;
    if (first == nullptr) continue;
    first->take();
    NodeFormats formats{names.front(), {}};
    for (Slot slot : all_slots) {
      if (!has_slot(node, slots, slot)) continue;
      if (const auto choice = in_place(first->given(), [&] { return first->choose(slot); }))
        formats.slots[slot] = *choice;
    }
    if (!formats.slots.empty()) quantization.push_back(std::move(formats));
  }
  for (const FormatSelection& selection : prepared)
    in_place(selection.given(), [&] { selection.check_used(graph); });
  if (quantization.empty()) refuse("the selections quantize nothing");
  return quantization;
}

}  // namespace hone
