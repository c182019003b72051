#pragma once

#include "hone/graph/graph.hpp"

namespace hone {

// Checks what every pass must keep: values are defined before they are read and by one node only,
// types are what the ops infer, attributes are known and in range, in-place outputs overwrite a
// parameter or state that nobody reads later, updates give a parameter or state, once, a value of
// its type. Throws Error(internal) naming the graph and the node.
void verify_graph(const Graph& graph);

}  // namespace hone
