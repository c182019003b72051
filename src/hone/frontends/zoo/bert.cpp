// BERT for sequence classification (Devlin et al., arXiv 1810.04805), post-norm, by its Hugging
// Face parameter names.
#include "hone/core/json.hpp"
#include "hone/frontends/bert_config.hpp"
#include "hone/frontends/zoo/architecture.hpp"

#include <fmt/format.h>

namespace hone {
namespace {
namespace bert_architecture {

// Builds one graph; holds what every layer needs.
class Builder {
public:
  Builder(const BertConfig& config, const std::vector<ParameterSpec>& parameters)
      : config_(config) {
    graph_.name = "bert";
    for (const ParameterSpec& spec : parameters) {
      ValueType type{DType::f32, {}};
      for (std::int64_t size : spec.shape) type.dims.emplace_back(size);
      graph_.parameter(spec.name, type);
    }
  }

  Graph build() {
    ids_ = graph_.input("ids", tokens());
    const ValueId types = graph_.input("type_ids", tokens());
    const ValueId positions = graph_.input("positions", tokens());
    offsets_ = graph_.input("offsets", {DType::i32, {Dim("B", 1)}});
    rng_ = graph_.input("rng", {DType::u32, {3}});
    ValueId x = embeddings(types, positions);
    for (std::int64_t layer = 0; layer < config_.num_hidden_layers; ++layer)
      x = encoder_layer(x, layer);
    const ValueId logits = classifier(x);
    graph_.outputs.emplace_back("logits", logits);
    graph_.remove_dead();
    return std::move(graph_);
  }

private:
  static ValueType tokens() { return {DType::i32, {Dim("T")}}; }
  ValueId parameter(const std::string& name) const { return graph_.find(name); }

  ValueId linear(ValueId x, const std::string& prefix, const std::string& name) {
    return graph_.apply("linear", {x, parameter(prefix + ".weight"), parameter(prefix + ".bias")},
                        {}, name);
  }
  ValueId norm(ValueId x, const std::string& prefix, const std::string& name) {
    return graph_.apply("layer_norm",
                        {x, parameter(prefix + ".weight"), parameter(prefix + ".bias")},
                        {{"epsilon", config_.layer_norm_eps}}, name);
  }
  // Every dropout draws from a stream of its own.
  ValueId dropout(ValueId x, double p) {
    return graph_.apply("dropout", {x, rng_}, {{"p", p}, {"stream", stream_++}});
  }

  ValueId embeddings(ValueId types, ValueId positions) {
    const std::string prefix = "bert.embeddings.";
    const ValueId words =
        graph_.apply("embedding", {parameter(prefix + "word_embeddings.weight"), ids_},
                     {{"padding", config_.pad_token_id.value_or(-1)}}, "words");
    const ValueId kinds = graph_.apply(
        "embedding", {parameter(prefix + "token_type_embeddings.weight"), types}, {}, "types");
    const ValueId places = graph_.apply(
        "embedding", {parameter(prefix + "position_embeddings.weight"), positions}, {}, "places");
    const ValueId sum =
        graph_.apply("add", {graph_.apply("add", {words, kinds}), places}, {}, "embeddings");
    return dropout(norm(sum, prefix + "LayerNorm", "embeddings.norm"), config_.hidden_dropout_prob);
  }

  ValueId activation(ValueId x) {
    if (config_.hidden_act == "relu") return graph_.apply("relu", {x});
    return graph_.apply(
        "gelu", {x},
        {{"approximate", std::string(config_.hidden_act == "gelu" ? "none" : "tanh")}});
  }

  ValueId encoder_layer(ValueId x, std::int64_t layer) {
    const std::string prefix = fmt::format("bert.encoder.layer.{}.", layer);
    const std::string name = fmt::format("layer{}.", layer);
    const ValueId q = linear(x, prefix + "attention.self.query", name + "q");
    const ValueId k = linear(x, prefix + "attention.self.key", name + "k");
    const ValueId v = linear(x, prefix + "attention.self.value", name + "v");
    const ValueId attended = graph_.apply("attention", {q, k, v, offsets_, rng_},
                                          {{"heads", config_.num_attention_heads},
                                           {"dropout", config_.attention_probs_dropout_prob},
                                           {"stream", stream_}},
                                          name + "attention");
    stream_ += config_.num_attention_heads;
    const ValueId projected =
        dropout(linear(attended, prefix + "attention.output.dense", name + "projection"),
                config_.hidden_dropout_prob);
    const ValueId middle = norm(graph_.apply("add", {projected, x}),
                                prefix + "attention.output.LayerNorm", name + "attention.norm");
    const ValueId wide = activation(linear(middle, prefix + "intermediate.dense", name + "wide"));
    const ValueId narrow = dropout(linear(wide, prefix + "output.dense", name + "narrow"),
                                   config_.hidden_dropout_prob);
    return norm(graph_.apply("add", {narrow, middle}), prefix + "output.LayerNorm", name + "norm");
  }

  ValueId classifier(ValueId x) {
    const ValueId starts = graph_.apply("sequence_starts", {offsets_}, {}, "starts");
    const ValueId first = graph_.apply("gather_rows", {x, starts}, {}, "first");
    const ValueId pooled =
        graph_.apply("tanh", {linear(first, "bert.pooler.dense", "pooler")}, {}, "pooled");
    return linear(dropout(pooled, config_.head_dropout()), "classifier", "logits");
  }

  const BertConfig& config_;
  Graph graph_;
  ValueId ids_ = none, offsets_ = none, rng_ = none;
  std::int64_t stream_ = 0;
};

Blueprint make(const Json& json, const std::string& where) {
  const BertConfig config = BertConfig::from_json(json, where);
  Blueprint made;
  made.parameters = bert_parameter_specs(config);
  made.graph = Builder(config, made.parameters).build();
  made.facts = {make_head(config.problem_type, config.num_labels, where),
                config.id2label,
                {config.vocab_size, config.max_position_embeddings, config.type_vocab_size},
                config.hidden_size};
  made.facts.task = text_task(made.facts.head);
  return made;
}

Json builtin(const std::string& name, const SizeSettings& sizes) {
  BertConfig config = builtin_bert_config(name);
  for (const auto& [key, value] : sizes) config.set(key, value);
  config.check(name);
  return config.to_json();
}

Json with_labels(const Json& json, const std::vector<std::string>& labels,
                 const std::string& where) {
  BertConfig config = BertConfig::from_json(json, where);
  config.num_labels = static_cast<std::int64_t>(labels.size());
  config.id2label = labels;
  config.problem_type = "";
  return config.to_json();
}

}  // namespace bert_architecture
}  // namespace

Architecture architecture_bert() {
  using namespace bert_architecture;
  Architecture architecture{{"bert", "BERT for sequence classification", bert_config_options()},
                            "bert"};
  architecture.classifier_class = "BertForSequenceClassification";
  architecture.backbone = "bert.";
  architecture.layers = "encoder.layer.";
  architecture.head = {"classifier.weight", "classifier.bias"};
  architecture.builtins = builtin_bert_names();
  architecture.builtin = builtin;
  architecture.make = make;
  architecture.with_labels = with_labels;
  return architecture;
}

}  // namespace hone
