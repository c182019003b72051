// Which number formats the values of a graph take: chosen by a user's selections, written into the
// graph by the pass `quantize`, kept in a model's configuration.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/graph/graph.hpp"
#include "hone/numerics/format.hpp"
#include "hone/numerics/value_stats.hpp"

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
// Throws Error(invalid_argument) naming `what` when its smallest number is negative and the format
// holds none below zero.
void refuse_unsigned(const FormatChoice& choice, double smallest, const std::string& what);

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
// Throws Error(bad_format) naming `where` and the place.
Quantization quantization_from_json(const Json& json, const std::string& where);

// Throws Error(bad_format) naming `where` when the graph has no such node, or it not the slot.
void check_nodes(const Graph& graph, const Quantization& quantization, const std::string& where);

// "bert.pooler.dense" of "bert.pooler.dense.weight".
std::string layer_name(const std::string& parameter);
// What a selection may call a node: its first output, and the layers and names of its parameters.
std::vector<std::string> selection_names(const Graph& graph, const Node& node);

// Nodes and the format that they take. `nodes` is a list separated by commas: each an op type
// ("linear"), one of a node's selection_names ("layer0.q", "bert.pooler.dense.weight") or a regular
// expression that matches one of them whole.
// `keys` are options of the format for all slots ("width"), or for one ("weight_width"); also
// "rule", "format" (one slot: "bias_format"; "none" leaves it as it is).
struct QuantizeSelection {
  std::string nodes = "linear";
  std::string format;
  std::vector<std::pair<std::string, std::string>> keys;
  std::string where = {};  // "file: line n", where it was read; begins its errors
};

// The formats that each node gets: of the first selection that matches it. `data_out` and
// `probabilities` (of attention) are quantized where a key names them, a format without signs of
// its own kind leaves other slots (docs/formats.md). Throws Error(invalid_argument) when a
// selection matches no node, a key is unknown to the formats it is for or changes nothing.
Quantization select_formats(const Graph& graph, const std::vector<QuantizeSelection>& selections);

// Parameters that take a format, each once, in the order of the graph. Throws
// Error(invalid_argument) when nodes that share one ask for different formats.
std::vector<std::pair<std::string, FormatChoice>> quantized_parameters(
    const Graph& graph, const Quantization& quantization);

// Steps that are trained: the parameter that holds each, where it is used, and the numbers that
// share it.
struct LearnedStep {
  std::string parameter;
  std::string node;
  Slot slot;
  std::string value;  // what is rounded
  FormatChoice choice;
};
std::string step_name(const std::string& node, Slot slot, std::size_t input);
std::vector<LearnedStep> learned_steps(const Graph& graph, const Quantization& quantization);
// Largest code of a learned choice: what a first step is fitted to.
double learned_high(const FormatChoice& choice);
// The formats with each trained step written in, and trained no more.
Quantization freeze_steps(const Graph& graph, const Quantization& quantization,
                          const std::map<std::string, float>& steps);

// A parameter kept as packed bits.
struct PackedParameter {
  FormatChoice format;
  PackedTensor packed;
};
inline bool is_read_as_bits(const PackedParameter& parameter) {
  return parameter.packed.shape.size() > 1;
}
using PackedParameters = std::map<std::string, PackedParameter>;

// The options of the pass `quantize`. A parameter in `packed` is read from its bits (a vector is
// not worth it: whoever binds it gives its numbers); others that take a format are rounded in every
// run.
Options quantize_options(const Quantization& quantization, const PackedParameters& packed = {});
// What the graph calls the bits and scales of a packed parameter.
std::string codes_name(const std::string& parameter);
std::string scales_name(const std::string& parameter);

// Values of a node whose formats are fitted to data: what it reads (data_in) and gives (data_out).
std::vector<ValueId> observed_values(const Graph& graph, const NodeFormats& formats);
// What the pass `observe` calls the statistics of a value.
std::string stats_name(const std::string& value);

// By value: what a run saw.
using Stats = std::map<std::string, ValueStats>;

// Throws Error(invalid_argument) where data whose sign nobody knows gets a format that holds no
// negative number: unless calibrating sees the data.
void refuse_unsigned_data(const Graph& graph, const Quantization& quantization);
// Throws Error(invalid_argument) naming a value of data whose format has scales or blocks that the
// rows of a batch share: what a text becomes would depend on the texts beside it. (A scale that is
// given, calibrated or trained is shared by all texts alike.)
void refuse_shared_scales(const Graph& graph, const Quantization& quantization);
// Throws Error(invalid_argument) naming a format that only training makes different: a trained
// step, stochastic rounding.
void refuse_untrained(const Quantization& quantization);

// Throws Error(invalid_argument) where no format has anything to fit: none has a scale, a point or
// a bias, or all are given.
void check_calibration(const Quantization& quantization);
// Fits the formats that have a scale, a point or a bias to what was seen; data_in of several values
// to all of them. Weights and biases are in `stats` by their names; affine ones keep their own
// scales. Throws what check_calibration throws, and Error(invalid_argument) where one without signs
// is for negative numbers.
void calibrate(Quantization& quantization, const Graph& graph, const Stats& stats,
               RangeMethod method, double percentile);

}  // namespace hone
