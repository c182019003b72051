// Rounding nodes.
#pragma once

#include <optional>
#include <string>

#include "hone/passes/quantization.hpp"

namespace hone {

// Whether a node rounds what it reads to a format.
bool is_rounding(const Node& node);
// The format of a rounding node or of packed bits (op dequantize); nothing for other nodes.
std::optional<FormatChoice> format_of_node(const Node& node);
// Whether the rows of a value can be rounded by themselves.
bool rounds_by_rows(const Graph& graph, ValueId id, const FormatChoice& choice);
// Appends the node that rounds a value; the format's step is not trained. `slot` as slot_attribute.
ValueId append_rounding(Graph& graph, ValueId id, const FormatChoice& choice,
                        const std::string& slot);

}  // namespace hone
