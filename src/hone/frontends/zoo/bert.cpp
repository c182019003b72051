// BERT for sequence classification (Devlin et al., arXiv 1810.04805), post-norm, by its Hugging
// Face parameter names.
#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/frontends/bert_config.hpp"
#include "hone/frontends/zoo/architecture.hpp"

#include <fmt/format.h>

namespace hone {
namespace {

// Builds one graph; holds what every layer needs.
class Builder {
public:
  Builder(const BertConfig& config, const GraphRequest& request)
      : config_(config), request_(request) {
    graph_.name = "bert";
    for (const ParameterSpec& spec : bert_parameter_specs(config)) {
      ValueType type{DType::f32, {}};
      for (std::int64_t size : spec.shape) type.dims.emplace_back(size);
      graph_.parameter(spec.name, type);
    }
    const auto or_config = [](double asked, double configured) {
      return asked >= 0 ? asked : configured;
    };
    hidden_dropout_ =
        request.training ? or_config(request.hidden_dropout, config.hidden_dropout_prob) : 0;
    attention_dropout_ =
        request.training ? or_config(request.attention_dropout, config.attention_probs_dropout_prob)
                         : 0;
    classifier_dropout_ =
        request.training ? or_config(request.classifier_dropout, config.head_dropout()) : 0;
  }

  Graph build() {
    ids_ = graph_.input("ids", tokens());
    const ValueId types = graph_.input("type_ids", tokens());
    const ValueId positions = graph_.input("positions", tokens());
    offsets_ = graph_.input("offsets", {DType::i32, {Dim("B", 1)}});
    if (request_.training) rng_ = graph_.input("rng", {DType::u32, {3}});
    ValueId x = embeddings(types, positions);
    for (std::int64_t layer = 0; layer < config_.num_hidden_layers; ++layer)
      x = encoder_layer(x, layer);
    const ValueId logits = classifier(x);
    graph_.outputs.emplace_back("logits", logits);
    if (request_.training) {
      graph_.outputs.emplace_back("loss", loss(logits));
    }
    graph_.remove_dead();
    return std::move(graph_);
  }

private:
  // Cross entropy of classes, the mean squared error of one value.
  ValueId loss(ValueId logits) {
    const Head head = config_.head();
    if (head.kind == HeadKind::values && head.size == 1) {
      const ValueId targets = graph_.input("targets", {DType::f32, {Dim("B")}});
      return graph_.apply("mean_squared_error", {logits, targets}, {}, "loss");
    }
    if (head.kind != HeadKind::classes)
      throw Error(ErrorCode::unsupported,
                  "the model gives several labels or values a text: it cannot be trained");
    std::vector<ValueId> inputs{logits, graph_.input("labels", {DType::i32, {Dim("B")}})};
    if (request_.class_weights)
      inputs.push_back(graph_.input("class_weights", {DType::f32, {graph_.type(logits).dims[1]}}));
    return graph_.apply("cross_entropy", inputs, {}, "loss");
  }

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
    if (p <= 0) return x;
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
    return dropout(norm(sum, prefix + "LayerNorm", "embeddings.norm"), hidden_dropout_);
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
    const ValueId attended =
        graph_.apply("attention", {q, k, v, offsets_, attention_dropout_ > 0 ? rng_ : none},
                     {{"heads", config_.num_attention_heads},
                      {"dropout", attention_dropout_},
                      {"stream", stream_}},
                     name + "attention");
    stream_ += config_.num_attention_heads;
    const ValueId projected = dropout(
        linear(attended, prefix + "attention.output.dense", name + "projection"), hidden_dropout_);
    const ValueId middle = norm(graph_.apply("add", {projected, x}),
                                prefix + "attention.output.LayerNorm", name + "attention.norm");
    const ValueId wide = activation(linear(middle, prefix + "intermediate.dense", name + "wide"));
    const ValueId narrow =
        dropout(linear(wide, prefix + "output.dense", name + "narrow"), hidden_dropout_);
    return norm(graph_.apply("add", {narrow, middle}), prefix + "output.LayerNorm", name + "norm");
  }

  ValueId classifier(ValueId x) {
    const ValueId starts = graph_.apply("sequence_starts", {offsets_}, {}, "starts");
    const ValueId first = graph_.apply("gather_rows", {x, starts}, {}, "first");
    const ValueId pooled =
        graph_.apply("tanh", {linear(first, "bert.pooler.dense", "pooler")}, {}, "pooled");
    return linear(dropout(pooled, classifier_dropout_), "classifier", "logits");
  }

  const BertConfig& config_;
  const GraphRequest& request_;
  Graph graph_;
  ValueId ids_ = none, offsets_ = none, rng_ = none;
  double hidden_dropout_ = 0, attention_dropout_ = 0, classifier_dropout_ = 0;
  std::int64_t stream_ = 0;
};

}  // namespace

Architecture architecture_bert() {
  Architecture architecture{{"bert", "BERT for sequence classification"}, "bert"};
  architecture.parameters = [](const Json& config) {
    return bert_parameter_specs(BertConfig::from_json(config, "config.json"));
  };
  architecture.head = [](const Json& config) {
    return BertConfig::from_json(config, "config.json").head();
  };
  architecture.build = [](const Json& json, const GraphRequest& request) {
    const BertConfig config = BertConfig::from_json(json, "config.json");
    return Builder(config, request).build();
  };
  return architecture;
}

}  // namespace hone
