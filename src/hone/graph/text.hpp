// The text form of a graph: print and parse are inverses.
//
//   graph tiny {
//     input %ids : i32[T]
//     param %table : f32[100,8]
//     frozen %other : f32[8]          (a parameter that is not trained)
//     buffer %mask : u8[100,8]
//     const %folded : f32[8]
//     state %table.m : f32[100,8]
//     %x : f32[T,8] = embedding(%table, %ids)
//     %y : f32[T,8], %y:1 : f32[T], %y:2 : f32[T] = layer_norm(%x, %g, %b) {epsilon = 1e-12} @0
//     return y = %y
//     update %table = %new
//   }
//
// `_` stands for an absent optional input; `@0` is the node's group. Attributes that have their
// default value are left out.
#pragma once

#include <string>
#include <string_view>

#include "hone/graph/graph.hpp"

namespace hone {

std::string print_graph(const Graph& graph);
// Parses and verifies. Throws Error(bad_format) naming `where`, line and column (where the text is
// right but the graph is not: `where` and the value).
Graph parse_graph(std::string_view text, const std::string& where = "graph text");

}  // namespace hone
