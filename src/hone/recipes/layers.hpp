// What each layer of a model holds and costs, for records and `hone inspect`.
#pragma once

#include <cstdint>
#include <vector>

#include "hone/model/model.hpp"
#include "hone/record/run_events.hpp"

namespace hone {

// In the order of the computation: one entry for each node with parameters, and for each attention.
// Multiply-adds are those for samples of `tokens_per_sample` tokens.
std::vector<LayerEntry> describe_layers(const Model& model, std::int64_t tokens_per_sample);

// Every named size of a graph: as `known` says, else 1.
DimSizes all_sizes(const Graph& graph, DimSizes known = {});

}  // namespace hone
