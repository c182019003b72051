// What a weight is, whatever stands between it and the node that reads it: formats, masks, packed
// bits.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "hone/graph/graph.hpp"

namespace hone {

// The value that `id` stands for: through nodes that give a changed copy of one input (rounding,
// masks; Op::stands_for), down to the first that does not. Of data it is what was rounded, of a
// weight its parameter, or the value that packed bits are decoded to (which has the name of the
// parameter that it replaced).
ValueId behind(const Graph& graph, ValueId id);

// Whether a value is a weight: a parameter, or numbers decoded from packed bits.
bool is_weight(const Graph& graph, ValueId id);

// Whether `is` holds for a value or for any that it follows from.
bool follows_from(const Graph& graph, ValueId value, const std::function<bool(ValueId)>& is);

// Whether a parameter that is trained has a part in a value.
bool is_learned(const Graph& graph, ValueId value);

// The weights that a node reads, behind what stands before them; each once, in the order of its
// inputs.
std::vector<ValueId> weights_of(const Graph& graph, const Node& node);

// The parameter behind a value, where one node alone reads the value, the parameter and all between
// them (`readers`: of Graph::readers); none where there is none, or others share it.
ValueId own_parameter(const Graph& graph, const std::vector<std::vector<NodeId>>& readers,
                      ValueId read);

// The graph with nothing between its weights, its data and its nodes: what a model computes, its
// formats, masks and packed bits aside.
Graph skeleton(const Graph& graph);

// "encoder.0.dense" of "encoder.0.dense.weight".
std::string layer_name(const std::string& parameter);

}  // namespace hone
