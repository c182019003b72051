// Probabilities of dropout in a graph.
#pragma once

#include "hone/graph/graph.hpp"

namespace hone {

// Of the values between layers, of attention's probabilities, and before the classifier: the
// dropout that feeds the node which makes the logits. Below zero: as the graph says.
struct DropoutRates {
  double hidden = -1;
  double attention = -1;
  double classifier = -1;
};

// What the graph says; 0 where it has no such dropout.
DropoutRates dropout_rates(const Graph& graph);

}  // namespace hone
