// Channels of planes inside a network: the filters that make them, what passes them on one by one,
// and the convolutions that read them.
#pragma once

#include <cstdint>
#include <vector>

#include "hone/graph/graph.hpp"

namespace hone {

struct Channels {
  NodeId conv = none;                  // its filters make them
  std::int64_t count = 0;              // how many there are
  std::vector<NodeId> depthwise = {};  // convolutions with a filter for each
  std::vector<NodeId> norms = {};
  std::vector<NodeId> readers = {};  // convolutions over all of them
};

// Of every convolution whose channels end in other convolutions alone: nothing adds to them, gives
// them out, or mixes them in between. In the order of the graph.
std::vector<Channels> channels_of(const Graph& graph);

}  // namespace hone
