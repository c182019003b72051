// The configuration of BERT models, as in Hugging Face's config.json (Devlin et al., "BERT:
// Pre-training of Deep Bidirectional Transformers", 2019), and the parameters it implies.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/core/options.hpp"
#include "hone/frontends/model.hpp"
#include "hone/model/head.hpp"

namespace hone {

struct BertConfig {
  std::int64_t vocab_size = 30522;
  std::int64_t hidden_size = 768;
  std::int64_t num_hidden_layers = 12;
  std::int64_t num_attention_heads = 12;
  std::int64_t intermediate_size = 3072;
  std::string hidden_act = "gelu";  // gelu, gelu_new, gelu_pytorch_tanh, relu
  double hidden_dropout_prob = 0.1;
  double attention_probs_dropout_prob = 0.1;
  std::optional<double> classifier_dropout;  // unset: hidden_dropout_prob
  std::int64_t max_position_embeddings = 512;
  std::int64_t type_vocab_size = 2;
  double initializer_range = 0.02;
  double layer_norm_eps = 1e-12;
  std::optional<std::int64_t> pad_token_id = 0;
  std::int64_t num_labels = 2;
  std::vector<std::string> id2label = {"LABEL_0", "LABEL_1"};  // num_labels names
  std::string problem_type;                                    // "": not given, see make_head
  // The config.json this came from; keys that hone does not know survive in to_json().
  Json original = Json::object();

  // Checks every value; `where` (the path) and the key start each message. A size that is missing
  // is an error; other missing keys take the values above, which are those of transformers. Throws
  // Error(bad_format), or Error(unsupported) for another model type and for variants of BERT that
  // hone does not compute (relative positions, decoders).
  static BertConfig from_json(const Json& json, const std::string& where);
  // What transformers reads back as the same BertForSequenceClassification.
  Json to_json() const;

  // Overrides one value from text, e.g. ("hidden_size", "256"). An unknown key is an error that
  // names the nearest known one. Values that must fit each other are checked by check(), not here.
  void set(const std::string& key, std::string_view value, const std::string& where = "--set");
  // Throws Error(invalid_argument) when values do not fit each other (heads that do not divide the
  // width, more parameters than can be counted, labels without names).
  void check(const std::string& where) const;

  // What the logits mean.
  Head head() const { return make_head(problem_type, num_labels, "config.json"); }
  std::int64_t head_size() const { return hidden_size / num_attention_heads; }
  double head_dropout() const { return classifier_dropout.value_or(hidden_dropout_prob); }
};

// The keys set() takes, with types and ranges.
const std::vector<OptionSpec>& bert_config_options();

// bert-tiny, bert-mini, bert-small, bert-base.
std::vector<std::string> builtin_bert_names();
bool is_builtin_bert(const std::string& name);
// Throws Error(not_found) that names the nearest known model.
BertConfig builtin_bert_config(const std::string& name);

// Every parameter of BertForSequenceClassification by its Hugging Face name, in the order of its
// computation: normal numbers for matrices and embeddings, zeros for biases, ones for LayerNorm
// scales.
std::vector<ParameterSpec> bert_parameter_specs(const BertConfig& config);

}  // namespace hone
