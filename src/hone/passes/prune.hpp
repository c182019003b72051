// Masks and dropped data in a graph, and in a model: what pruning puts there, whatever chose it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "hone/model/model.hpp"
#include "hone/sparsity/mask.hpp"

namespace hone {

// What a graph calls the mask of a weight.
std::string mask_name(const std::string& weight);
// Nodes whose weight may be masked, chosen by graph/selection.hpp; "": every layer (linear, conv)
// but the one that makes the logits. Throws Error(invalid_argument) when a pattern matches none.
std::vector<NodeId> prunable_nodes(const Graph& graph, const std::string& selection);
// Their weights, each once, in the order of the graph.
std::vector<std::string> weights_of_nodes(const Graph& graph, const std::vector<NodeId>& nodes);

// The masks of a graph: weight -> buffer.
std::map<std::string, std::string> masks_of(const Graph& graph);
// Puts a mask directly behind each of these weights that has none. Returns how many.
int insert_masks(Graph& graph, const std::vector<std::string>& weights);

// Masks weights (by name): zeroes what they drop; takes the place of masks that were there, leaves
// those of other weights; one that drops nothing goes. What is packed is unpacked and packed again.
// Throws Error(invalid_argument) for a mask that does not fit its weight, or with a format that
// cannot hold zero: the model stays as it was.
void set_masks(Model& model, const std::map<std::string, Tensor>& masks);
// Takes masks and the pruning of data out of a model; its numbers stay as they are (zero where they
// were dropped), packed ones too.
void drop_pruning(Model& model);
// Writes zeros into what the masks of a model drop.
void zero_masked(Model& model);
// Throws Error(invalid_argument) naming the first masked weight whose format makes other numbers
// of what the mask drops.
void refuse_formats_without_zero(const Model& model);

// The groups of structures (heads of attention, neurons between two linear nodes, channels between
// convolutions, layers of heads and neurons) among `weights`, by family; regions count these
// weights. Structures that reach beyond them are refused unless none of their weights is among
// them. Throws Error(invalid_argument) when there are none.
std::vector<std::vector<MaskGroup>> structures_of(const Graph& graph, MaskGranularity::Kind kind,
                                                  const std::vector<std::string>& weights);

// How data that nodes read is pruned.
struct DataPruning {
  double sparsity = 0;        // share of each token's numbers that is dropped
  bool whole_tensor = false;  // of the tensor of a call, as MASE does, instead
  bool random = false;        // of that tensor numbers drawn at random, each by itself
  bool by_threshold = false;  // what is not above thresholds[value], by the value that is read
  std::map<std::string, double> thresholds = {};
};
// The values that these nodes read as data, before any rounding or dropping; each once.
std::vector<std::string> data_of_nodes(const Graph& graph, const std::vector<NodeId>& nodes);
// Drops small numbers of what nodes (called by their first outputs) read; takes the place of what
// was there; sparsity 0 takes it away. Returns the number of nodes whose data is pruned or was.
int prune_data(Model& model, const std::vector<std::string>& nodes, const DataPruning& pruning);
// Nodes that read pruned data, and how ("sparsity = 0.5").
std::vector<std::pair<std::string, std::string>> pruned_data_of(const Graph& graph);

}  // namespace hone
