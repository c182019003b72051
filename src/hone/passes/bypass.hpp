// Linear nodes that are left out: what they read takes the place of what they gave.
#pragma once

#include <string>
#include <vector>

#include "hone/model/model.hpp"

namespace hone {

// Whether a node can be left out: a linear node that gives as many numbers as it reads.
bool can_bypass(const Graph& graph, const Node& node);
// Leaves nodes out (called by their first outputs): their readers read their data as it is, their
// weights and biases go. Returns the line of history. Throws Error(invalid_argument) for a node
// that is not there or has another width, and when `nodes` is empty.
std::string bypass(Model& model, const std::vector<std::string>& nodes);

}  // namespace hone
