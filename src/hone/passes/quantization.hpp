// Number formats in a graph: which values of which nodes take one. They stand in the graph itself,
// as rounding nodes, packed bits, and attributes of attention; what is here reads and writes them.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/graph/graph.hpp"
#include "hone/numerics/format.hpp"
#include "hone/numerics/tensor_rows.hpp"

namespace hone {

// A format with its rule and options ("width=8 frac_width=4").
struct FormatChoice {
  std::string format;
  std::string rule = "exact";
  std::string options = {};
  // The step is trained (learned step size; formats affine and integer).
  bool learned = false;

  bool operator==(const FormatChoice&) const = default;
  std::unique_ptr<const Quantizer> bind() const;
};
std::string to_string(const FormatChoice& choice);  // "integer width=8 frac_width=4"

enum class Slot { data_in, weight, bias, data_out, probabilities };
inline constexpr std::array<const char*, 5> slot_names{"data_in", "weight", "bias", "data_out",
                                                       "probabilities"};

// The formats of one node, which is called by its first output.
struct NodeFormats {
  std::string node;
  std::map<Slot, FormatChoice> slots;

  bool operator==(const NodeFormats&) const = default;
};
// In the order of the graph.
using Quantization = std::vector<NodeFormats>;

Json to_json(const Quantization& quantization);

// The formats that stand in a graph.
Quantization formats_of(const Graph& graph);
// Puts formats in the place of those that the graph has. Weights are rounded as they are read, a
// table as a whole (a lowering rounds only the rows that are read). A trained step becomes a
// parameter. Throws Error(invalid_argument) when there is no such node or slot, or nodes that share
// a parameter want it in different formats. Packed weights must be unpacked before. Returns the
// number of roundings.
int apply_formats(Graph& graph, const Quantization& quantization);
// The graph without any (packed bits stay: they are what the numbers are).
void remove_formats(Graph& graph);

// What a format calls a row of a value: of planes that convolutions read or gave (through nodes
// that keep their order) the channels of a place, of a convolution's weight a filter, of all else
// the numbers of the last dimension.
TensorRows rows_of(const Graph& graph, ValueId id);
// The same for a format: of one that rounds every number by itself, or goes by a tensor's shape, no
// rows need to be named.
TensorRows rows_of(const Graph& graph, ValueId id, const FormatChoice& choice);
// A format for a value: its whole-tensor functions go by the value's rows.
std::unique_ptr<const Quantizer> bind_for(const Graph& graph, ValueId id,
                                          const FormatChoice& choice);

// The values of a slot as they are before any rounding: of data_in all that the node reads.
std::vector<ValueId> slot_values(const Graph& graph, const std::string& node, Slot slot);
// Parameters that take a format, each once, in the order of the graph. Throws
// Error(invalid_argument) when nodes that share one ask for different formats.
std::vector<std::pair<std::string, FormatChoice>> quantized_parameters(
    const Graph& graph, const Quantization& quantization);

}  // namespace hone
