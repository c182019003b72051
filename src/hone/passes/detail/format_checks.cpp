#include "hone/passes/format_checks.hpp"

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/graph/op.hpp"
#include "hone/graph/weight.hpp"
#include "hone/passes/detail/slots.hpp"

namespace hone {
bool holds_negatives(const FormatChoice& choice) {
  return parse_format_options(find_format(choice.format), choice.options)
      .boolean_or("is_signed", true);
}

void refuse_unsigned(const FormatChoice& choice, double smallest, const std::string& what) {
  if (holds_negatives(choice) || !(smallest < 0)) return;
  refuse(fmt::format("%{} has negative numbers (down to {:.3g}), {} holds none", what, smallest,
                     to_string(choice)),
         "leave is_signed out; give it only to slots whose numbers are never negative");
}

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
      for (ValueId id : slot_values(graph, formats.node, slot)) {
        const ValueType& type = graph.type(id);
        if (is_weight(graph, id) || type.dims.size() != 2 || !type.dims[1].is_fixed()) continue;
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
      for (ValueId id : slot_values(graph, formats.node, slot)) {
        const NodeId producer = graph.value(id).producer;
        if (producer != none && find_op(graph.node(producer).op).non_negative) continue;
        refuse(fmt::format("%{} may have negative numbers, {} holds none", graph.value(id).name,
                           to_string(choice)),
               "leave is_signed out; or --calibrate DATA checks the numbers of data");
      }
    }
}

}  // namespace hone
