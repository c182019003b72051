// Where a product's data was rounded.
#pragma once

#include <string>

#include "hone/graph/graph.hpp"

namespace hone {

// Rows may be picked after the rounding: each row is rounded by itself.
struct RoundedData {
  const Node* node = nullptr;  // `quantize`; null: the data is not rounded
  ValueId rows = none;         // those picked
};
RoundedData rounded_data(const Graph& graph, ValueId x);

// The format of a `quantize` node.
Options format_of(const Node& data);

}  // namespace hone
