// Adapters of low rank (LoRA): beside y = linear(x, w, b), whose parameters are frozen, stands
// lora(y, x, a, b) with the two small matrices that are trained. DoRA multiplies the columns of the
// sum by m / |rows of w + factor b a|, with a trained vector m.
//
//   %y.q.default = lora(%layer0.q, dropout(%x), %LAYER.lora_A.default.weight,
//   %LAYER.lora_B.default.weight)
//
// What is read of a graph here is read from its nodes; parameters have PEFT's names.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "hone/core/tensor_store.hpp"
#include "hone/model/model.hpp"

namespace hone {

struct LoraSettings {
  std::string name = "default";  // letters, digits, '_' and '-'
  std::int64_t rank = 8;
  double alpha = 8;
  double dropout = 0;  // of what the low-rank path reads
  // Linear layers, separated by commas: selections (graph/selection.hpp), or ends of layer names
  // as PEFT's target_modules ("query"). Empty: what makes the queries and values of attention.
  std::string targets = {};
  bool rank_stabilized = false;  // alpha / sqrt(rank) (rsLoRA)
  bool magnitude = false;        // DoRA
  // Other alphas, by ends of layer names or regular expressions; the first that matches counts
  // (PEFT's alpha_pattern).
  std::vector<std::pair<std::string, double>> alphas = {};
  // Layers beside the adapter that are trained as they are (PEFT's modules_to_save): ends of names.
  std::vector<std::string> trained = {};
};

// One layer of an adapter.
struct AdaptedLayer {
  std::string node;   // the linear node, by its output
  std::string layer;  // as its parameters call it: "encoder.layer.0.attention.self.query"
  std::int64_t rank = 0;
  double alpha = 0;
};
struct Adapter {
  // rank: the largest; alpha: of the first layer; targets: as PEFT would name the layers.
  LoraSettings settings;
  std::vector<AdaptedLayer> layers;
  bool is_trained = false;
};
// The adapters of a graph, in its order.
std::vector<Adapter> adapters_of(const Graph& graph);
bool has_adapters(const Graph& graph);

// Lets DoRA read weights and biases as their layers read them, after these were given other formats
// or masks. sort() is left to the caller.
void follow_bases(Graph& graph);

// Throws Error(invalid_argument) for settings that no fresh adapter of the graph has: targets that
// match no linear layer, a rank that is no rank of one.
void check_adapter(const Graph& graph, const LoraSettings& settings);

// Fresh tensors of an adapter by PEFT's names without prefix (LAYER.lora_A.weight: uniform as
// torch.nn.Linear starts; LAYER.lora_B.weight: zero; LAYER.lora_magnitude_vector: the lengths of
// the rows of the weight). They depend on (seed, name) alone. Throws what
// check_adapter throws.
TensorStore fresh_adapter(const Model& model, const LoraSettings& settings, std::uint64_t seed);

// Puts an adapter into a model, in place of one of its name. Its layers are those that `tensors`
// name; a layer in `settings.trained` takes its tensors where they are given too. All other
// parameters are frozen, those of other adapters as well. Throws Error(invalid_argument) listing
// what does not fit.
void add_adapter(Model& model, const LoraSettings& settings, const TensorStore& tensors);

// The tensors of an adapter, and of layers that are trained with it, as add_adapter takes them.
// `tensors` are those of the model, or what stands for them.
TensorStore adapter_tensors(const Graph& graph, const TensorStore& tensors, const Adapter& adapter);

struct MergeSettings {
  bool dequantize = false;  // formats may go
  bool dense = false;       // masks of adapted layers may go
  bool keep_masks = false;  // they stay: what an adapter adds behind them is dropped
};
// Adds every adapter to the weights of its layers and takes it out; nothing is frozen any more.
// Throws Error(invalid_argument) when there is none, or naming what the settings do not allow.
void merge_adapters(Model& model, const MergeSettings& settings);

}  // namespace hone
