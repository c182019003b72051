#include "hone/graph/selection.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/graph/weight.hpp"

namespace hone {
namespace {

// Parts between commas; those inside the brackets of a regular expression do not part it.
std::vector<std::string> split_patterns(const std::string& text) {
  std::vector<std::string> parts(1);
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && i + 1 < text.size()) {
      parts.back() += c;
      parts.back() += text[++i];
      continue;
    }
    if (c == '(' || c == '[' || c == '{') ++depth;
    if (c == ')' || c == ']' || c == '}') --depth;
    if (c == ',' && depth <= 0)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

std::regex compile(const std::string& text) {
  try {
    return std::regex(text);
  } catch (const std::regex_error& error) {
    refuse(fmt::format("nodes '{}' is neither a name nor a regular expression: {}", text,
                       error.what()));
  }
}

}  // namespace

std::vector<std::string> selection_names(const Graph& graph, const Node& node) {
  std::vector<std::string> names{graph.value(node.outputs[0]).name};
  const auto add = [&](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  for (const ValueId id : weights_of(graph, node)) {
    add(layer_name(graph.value(id).name));
    add(graph.value(id).name);
  }
  return names;
}

Selection::Selection(const std::string& patterns) : text_(patterns) {
  for (const std::string& part : split_patterns(patterns)) {
    const std::string pattern(trim(part));
    if (pattern.empty()) refuse(fmt::format("nodes '{}': an empty name", patterns));
    patterns_.push_back({pattern, compile(pattern)});
  }
}

bool Selection::matches(const Pattern& pattern, const std::string& op,
                        const std::vector<std::string>& names) {
  const bool layer = op == "linear" || op == "conv";
  return pattern.text == op || (layer && pattern.text == layers_selection) ||
         std::any_of(names.begin(), names.end(), [&](const auto& name) {
           return pattern.text == name || std::regex_match(name, pattern.expression);
         });
}

bool Selection::matches(const std::string& op, const std::vector<std::string>& names) {
  bool any = false;
  for (Pattern& pattern : patterns_) {
    if (!matches(pattern, op, names)) continue;
    pattern.matched = true;
    any = true;
  }
  return any;
}

bool Selection::matches(const Graph& graph, const Node& node) {
  return matches(node.op, selection_names(graph, node));
}

void Selection::require_matches(const Graph& graph, const std::function<bool(const Node&)>& takes,
                                const std::string& what) const {
  for (const Pattern& pattern : patterns_) {
    if (pattern.matched) continue;
    std::vector<std::string> known;
    for (const Node& node : graph.nodes) {
      const std::vector<std::string> names = selection_names(graph, node);
      if (!takes(node)) {
        if (matches(pattern, node.op, names))
          refuse(fmt::format("nodes '{}': {} takes no {}", pattern.text, node.op, what),
                 "hone explain MODEL lists the nodes and their ops");
        continue;
      }
      known.push_back(node.op);
      known.insert(known.end(), names.begin(), names.end());
    }
    // Of all kinds of names the nearest is offered.
    const std::string best = nearest(pattern.text, known);
    refuse(fmt::format("nodes '{}' matches no node", pattern.text),
           best.empty() ? "op types, names of nodes (hone explain MODEL), of layers and parameters "
                          "(hone inspect MODEL), or regular expressions of whole names"
                        : "did you mean '" + best + "'?");
  }
}

std::vector<NodeId> select_nodes(const Graph& graph, const std::string& patterns,
                                 const std::function<bool(const Node&)>& takes,
                                 const std::string& what) {
  Selection selection(patterns);
  std::vector<NodeId> chosen;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n)
    if (takes(graph.nodes[n]) && selection.matches(graph, graph.nodes[n]))
      chosen.push_back(static_cast<NodeId>(n));
  selection.require_matches(graph, takes, what);
  return chosen;
}

}  // namespace hone
