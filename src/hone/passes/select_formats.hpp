// Which nodes take which formats: what a user selects.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "hone/graph/selection.hpp"
#include "hone/passes/quantization.hpp"

namespace hone {

// Nodes (graph/selection.hpp) and the format that they take. `keys` are options of the format for
// all slots ("width"), or for one ("weight_width"); also "rule", "format" (one slot: "bias_format";
// "none" leaves it as it is).
struct QuantizeSelection {
  std::string nodes = layers_selection;
  std::string format;
  std::vector<std::pair<std::string, std::string>> keys;
  std::string where = {};  // "file: line n", where it was read; begins its errors
};

// The formats that each node gets: of the first selection that matches it. `data_out` and
// `probabilities` (of attention) are quantized where a key names them, a format without signs of
// its own kind leaves other slots (docs/formats.md). Throws Error(invalid_argument) when a
// selection matches no node, a key is unknown to the formats it is for or changes nothing.
Quantization select_formats(const Graph& graph, const std::vector<QuantizeSelection>& selections);

}  // namespace hone
