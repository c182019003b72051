// Nodes chosen by op, name or regular expression: one mechanism for formats, masks, adapters and
// reports.
#pragma once

#include <functional>
#include <optional>
#include <regex>
#include <string>
#include <vector>

#include "hone/graph/graph.hpp"

namespace hone {

// What a selection may call a node: its first output, and the layers and names of the parameters
// that it reads ("layer0.q", "encoder.0.dense", "encoder.0.dense.weight").
std::vector<std::string> selection_names(const Graph& graph, const Node& node);

// Nodes that multiply data by a trained weight, fully connected and convolutions alike: what takes
// formats where nothing else is chosen.
inline constexpr const char* const layers_selection = "layers";

// A list of patterns separated by commas: each an op type ("linear"), "layers", one of a node's
// selection_names, or a regular expression that matches one of them whole. A selection counts
// which of its patterns matched anything.
class Selection {
public:
  // Throws Error(invalid_argument) for an empty name or a broken regular expression.
  explicit Selection(const std::string& patterns);

  // Every pattern is asked, so that one that only others hide does not count as matchless.
  bool matches(const std::string& op, const std::vector<std::string>& names);
  bool matches(const Graph& graph, const Node& node);

  const std::string& text() const { return text_; }
  // Throws Error(invalid_argument) naming the first pattern that matched nothing and the nearest
  // name there is among the nodes that `takes` says may be chosen. `what` the others do not take
  // ("number format").
  void require_matches(const Graph& graph, const std::function<bool(const Node&)>& takes,
                       const std::string& what) const;

private:
  struct Pattern {
    std::string text;
    std::regex expression;
    bool matched = false;
  };
  static bool matches(const Pattern& pattern, const std::string& op,
                      const std::vector<std::string>& names);

  std::string text_;
  std::vector<Pattern> patterns_;
};

// The nodes that a selection matches among those that `takes` accepts, in the order of the graph.
// Throws Error(invalid_argument) when a pattern matches none.
std::vector<NodeId> select_nodes(const Graph& graph, const std::string& patterns,
                                 const std::function<bool(const Node&)>& takes,
                                 const std::string& what);

}  // namespace hone
