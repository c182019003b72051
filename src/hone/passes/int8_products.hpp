// Which products of a graph run on 8-bit codes, and why others do not.
#pragma once

#include <string>

#include "hone/graph/graph.hpp"

namespace hone {

// Why a linear whose weights are packed, or an attention, is not computed on the 8-bit codes of its
// inputs (`weight`: the attributes of the packed weights); empty: it can be.
std::string refuse_int8_linear(const Graph& graph, ValueId x, const Options& weight);
std::string refuse_int8_attention(const Graph& graph, const Node& node);

// The same of a node as `fuse_packed` left it; empty for nodes that are no such products, and
// where no number format was asked for.
std::string why_not_int8(const Graph& graph, const Node& node);

}  // namespace hone
