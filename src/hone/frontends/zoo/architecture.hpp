// The contract of an architecture: builds the graph of a model from its config.json. One file in
// frontends/zoo/ a member.
#pragma once

#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/core/options.hpp"
#include "hone/frontends/head.hpp"
#include "hone/frontends/model.hpp"
#include "hone/graph/graph.hpp"

namespace hone {

struct GraphRequest {
  bool training = false;  // with labels, loss and dropout
  // Probabilities; below zero: what the config says.
  double hidden_dropout = -1;
  double attention_dropout = -1;
  double classifier_dropout = -1;
  bool class_weights = false;  // of the loss
};

struct Architecture : Described {
  // config.json's model_type that it builds.
  std::string model_type;
  std::vector<ParameterSpec> (*parameters)(const Json& config) = nullptr;
  // What its logits mean.
  Head (*head)(const Json& config) = nullptr;
  // Inputs: ids i32[T], type_ids i32[T], positions i32[T], offsets i32[B+1]; when training also
  // labels i32[B] and rng u32[3], with class_weights also class_weights f32[C]. Outputs: logits
  // f32[B,C]; when training also loss f32[1].
  Graph (*build)(const Json& config, const GraphRequest& request) = nullptr;
};

const std::vector<Architecture>& architecture_table();
// By model_type; throws Error(unsupported) listing what there is.
const Architecture& find_architecture(const std::string& model_type);

}  // namespace hone
