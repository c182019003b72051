// Numbers that the model itself says.
#pragma once

#include <optional>
#include <utility>

#include "hone/core/tensor_store.hpp"
#include "hone/graph/graph.hpp"

namespace hone {

// The finite number that a real value holds in every place: a tensor of one element, expanded or
// reshaped. Nothing where that is not known.
std::optional<double> known_number(const Graph& graph, const TensorStore& tensors, ValueId id);

// A value as another one times a number, as far as that goes: the factor, and the other.
std::pair<double, ValueId> without_factor(const Graph& graph, const TensorStore& tensors,
                                          ValueId id);

}  // namespace hone
