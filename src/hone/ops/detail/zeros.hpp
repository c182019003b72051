// Zeros of another value's type, which gradients are put into.
#pragma once

#include "hone/graph/graph.hpp"

namespace hone {

inline ValueId zeros_like(Graph& graph, ValueId value) {
  return graph.apply("scale", {value}, {{"factor", 0.0}});
}

}  // namespace hone
