#include "hone/passes/format_checks.hpp"

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/graph/op.hpp"
#include "hone/graph/weight.hpp"
#include "hone/ops/detail/quantizer.hpp"
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

// What makes the rows of a format independent; a row is what `token` names.
std::string own_scales(const FormatChoice& choice, Slot slot, std::int64_t columns,
                       const std::string& token) {
  const Format& format = find_format(choice.format);
  const Options options = parse_format_options(format, choice.options);
  if (options.text_or("granularity", "") == "tensor")
    return fmt::format(
        "granularity = channel gives each {} a scale of its own{}", token,
        format.fit_range == nullptr ? "" : "; --calibrate DATA fits one scale to all samples");
  if (choice.rule == "exact")
    return fmt::format("give block_size one number: blocks lie within a {} then", token);
  if (options.contains("block_dim") && options.integer("block_dim") != -1)
    return fmt::format("leave block_dim out: blocks lie within a {} then", token);
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
        const TensorRows rows = rows_of(graph, id, choice);
        const std::optional<std::int64_t> columns = fixed_row_length(type.dims, rows);
        if (is_weight(graph, id) || type.dims.size() < 2 || !columns) continue;
        if (choice.bind()->by_rows(*columns)) continue;
        const bool planes = rows == TensorRows::channels;
        refuse(fmt::format("%{}: {} would share scales among all {} of a batch: what a {} "
                           "becomes would depend on the {} beside it",
                           graph.value(id).name, to_string(choice), planes ? "pictures" : "texts",
                           planes ? "picture" : "text", planes ? "pictures" : "texts"),
               own_scales(choice, slot, *columns, planes ? "place" : "token"));
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
