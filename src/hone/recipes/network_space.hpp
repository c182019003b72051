// Parameters of a search for each of many nodes: [[space.nodes]].
//
//   [[space.nodes]]
//   nodes = "linear"                  # a selection, as --nodes takes it
//   bypass = [false, true]            # left out or not; nodes that give as many numbers as they
//   read
//
//   [[space.nodes]]
//   nodes = "linear"
//   format = ["none", "integer"]      # "none": as it is
//   width = [8, 16, 32]               # keys of the formats; one value is no parameter
//   frac_width = ["default", 4, 8]    # "default": as the format has it
//   sparsity = [0, 0.5]
//   shared = "all"                    # one choice for all of them; else each has its own
//
// Of several that give a node a format (masks, bypass) the first counts.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/graph/graph.hpp"
#include "hone/model/model.hpp"
#include "hone/search/space.hpp"

namespace hone {

struct NodeChoices {
  std::string nodes;  // graph/selection.hpp
  std::string shared = {};
  // "bypass", "format", "sparsity", "method", or an option of the formats, and their values.
  std::vector<std::pair<std::string, std::vector<Json>>> keys = {};
  std::string where = {};  // "file: line n"

  const std::vector<Json>* find(const std::string& key) const;
};

// A value of a parameter as settings have it.
std::string text_of(const Json& value);

Json to_json(const std::vector<NodeChoices>& choices);
std::vector<NodeChoices> node_choices_from_json(const Json& json);
// What they say, wherever it stands.
Json identity_of(const std::vector<NodeChoices>& choices);

// The dimensions of node choices: "NODE.KEY", or "SHARED.KEY". Where sizes of the network are
// parameters too (`sizes`), nodes that only some networks have exist by condition. `graph_of` gives
// the network of an assignment of `sizes`. Throws Error(invalid_argument).
std::vector<Dimension> expand_node_choices(
    const std::vector<NodeChoices>& choices, const std::vector<Dimension>& sizes,
    const std::function<Graph(const Assignment& values)>& graph_of);

// The same with one value for every key, of these nodes (a selection) alone: what a format does to
// one node of many.
struct NodeFormatChoice {
  std::string name;                    // of the node; of shared choices their name
  NodeChoices choices;                 // one value a key
  std::map<std::string, Json> values;  // of the parameters that lead to it
};
// Every combination of the formats and their options that each node of `choices` may take, node by
// node; those that contradict each other are left out.
std::vector<std::vector<NodeFormatChoice>> list_format_choices(
    const std::vector<NodeChoices>& choices, const Graph& graph);

// Changes a model as the values of a trial say: leaves nodes out, masks, gives formats.
void apply_node_choices(Model& model, const std::vector<NodeChoices>& choices,
                        const std::function<Json(const std::string& parameter)>& value_of);

}  // namespace hone
