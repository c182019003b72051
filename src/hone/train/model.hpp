// A model ready to train or run: its configuration, parameters and where its tokenizer lies.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/core/parameter_store.hpp"
#include "hone/frontends/model.hpp"
#include "hone/frontends/zoo/architecture.hpp"
#include "hone/passes/pass.hpp"
#include "hone/passes/quantization.hpp"
#include "hone/run/executor.hpp"
#include "hone/train/mode.hpp"

namespace hone {

struct Model {
  std::string name;  // as the user wrote it
  Json config;       // Hugging Face config.json
  ParameterStore parameters;
  // The formats that its values take.
  Quantization quantization = {};
  // Parameters kept as packed bits; they are not in `parameters`.
  PackedParameters packed = {};
  MatchReport report;               // what was initialised, what was not used
  std::filesystem::path directory;  // empty for a built-in model
  const Architecture* architecture = nullptr;
};

struct ModelRequest {
  std::string name;  // a directory, or a built-in name
  std::vector<std::pair<std::string, std::string>> settings =
      {};                       // overrides of a built-in's sizes
  std::uint64_t seed = 0;       // of fresh parameters
  std::int64_t num_labels = 0;  // of a fresh head; 0: as configured
  std::int64_t vocab_size = 0;  // of a built-in model; 0: as configured
  std::vector<std::string> label_names = {};
  // Drop the classifier of a directory and start a new one for these labels.
  bool fresh_head = false;
  // Look for NaN and infinity in the weights of a directory; false: whoever runs it looks at the
  // results.
  bool check_values = true;
};

// Loads a directory (or its last checkpoint when a run did not finish) or builds a built-in model.
// Throws Error(not_found) naming the nearest built-in.
Model load_model(const ModelRequest& request);

// The configuration keys that a setting may name for a built-in model.
bool is_model_setting(const std::string& key);

// Sets the formats that its values take (in the configuration as well). Parameters stay float32:
// they are rounded in every run, as in training. Unpacks what is packed. Throws what
// refuse_shared_scales throws.
void set_quantization(Model& model, Quantization quantization);
// Adds the first values of trained steps: twice the mean magnitude over the square root of the
// largest code (Esser et al.), of weights and, by value name, of what `mean_magnitudes` knows (else
// 1).
void add_learned_steps(Model& model, const std::map<std::string, double>& mean_magnitudes);
// Writes trained steps into the formats and drops their parameters.
void freeze_learned_steps(Model& model);
// Puts every parameter that takes a format into its packed bits. Throws Error(numeric) naming a
// parameter that has a NaN.
void pack_parameters(Model& model);
// The numbers that the packed bits hold, as float32 parameters.
void unpack_parameters(Model& model);
// The whole model as a directory has it: parameters, codes and scales.
ParameterStore stored_tensors(const Model& model);
// Numbers of the model, packed ones included, and the bytes that they take.
std::int64_t parameter_count(const Model& model);
std::int64_t parameter_bytes(const Model& model);

// The graph for running the model forward as `mode` runs it. `reports` (may be null) receives what
// each pass did.
Graph make_forward_graph(const Model& model, Mode mode,
                         const std::vector<std::string>& disabled = {},
                         std::vector<PassReport>* reports = nullptr);
// That graph, ready to run in a mode. `disabled` names passes to leave out.
Executor make_forward(const Model& model, Mode mode, const std::vector<std::string>& disabled = {});
// Binds the model's parameters and packed bits to an executor of its graph.
void bind_parameters(Executor& executor, const Model& model);

}  // namespace hone
