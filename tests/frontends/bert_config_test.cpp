#include "hone/frontends/bert_config.hpp"

#include <map>

#include <gtest/gtest.h>

#include "frontends/frontend_support.hpp"
#include "hone/core/json.hpp"

namespace hone {
namespace {

using hone_test::expect_error;

Json good() { return builtin_bert_config("bert-tiny").to_json(); }

void expect_bad_config(const char* key, const Json& value, const std::vector<std::string>& texts,
                       ErrorCode code = ErrorCode::bad_format) {
  SCOPED_TRACE(std::string(key) + ": " + value.dump());
  Json config = good();
  config[key] = value;
  expect_error(code, texts, [&] { BertConfig::from_json(config, "dir/config.json"); });
}

TEST(BertConfig, ReadsWhatTransformersWrites) {
  const auto path = hone_test::fixture("classifier/config.json");
  const BertConfig config =
      BertConfig::from_json(parse_json(read_file(path), path.string()), path.string());
  EXPECT_EQ(config.vocab_size, 24);
  EXPECT_EQ(config.hidden_size, 8);
  EXPECT_EQ(config.num_hidden_layers, 1);
  EXPECT_EQ(config.num_attention_heads, 2);
  EXPECT_EQ(config.head_size(), 4);
  EXPECT_EQ(config.intermediate_size, 12);
  EXPECT_EQ(config.max_position_embeddings, 16);
  EXPECT_EQ(config.type_vocab_size, 2);
  EXPECT_EQ(config.hidden_act, "gelu");
  EXPECT_EQ(config.hidden_dropout_prob, 0.1);
  EXPECT_EQ(config.classifier_dropout, std::nullopt);
  EXPECT_EQ(config.head_dropout(), 0.1);
  EXPECT_EQ(config.layer_norm_eps, 1e-12);
  EXPECT_EQ(config.pad_token_id, 0);
  EXPECT_EQ(config.num_labels, 3);
  EXPECT_EQ(config.id2label, (std::vector<std::string>{"bad", "fair", "good"}));
}

TEST(BertConfig, JsonKeepsUnknownKeysAndReadsBack) {
  Json original = good();
  original["use_cache"] = true;
  original["my_notes"] = {{"a", 1}};
  original["num_labels"] = 2;
  BertConfig config = BertConfig::from_json(original, "x");
  config.set("num_labels", "5");
  config.set("classifier_dropout", "0.25");
  const Json written = config.to_json();
  EXPECT_EQ(written["my_notes"]["a"], 1);
  EXPECT_EQ(written["use_cache"], true);
  EXPECT_FALSE(written.contains("num_labels"));
  EXPECT_EQ(written["id2label"].size(), 5u);
  EXPECT_EQ(written["label2id"]["LABEL_4"], 4);
  const BertConfig back = BertConfig::from_json(written, "x");
  EXPECT_EQ(back.num_labels, 5);
  EXPECT_EQ(back.classifier_dropout, 0.25);
  EXPECT_EQ(back.to_json(), written);
}

TEST(BertConfig, EverySizeIsCheckedByKey) {
  for (const char* key : {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
                          "intermediate_size", "max_position_embeddings", "type_vocab_size"}) {
    for (const Json& value :
         {Json(0), Json(-1), Json("12"), Json(true), Json(2.5), Json(nullptr), Json::array(),
          Json(std::uint64_t{1} << 40), Json(~std::uint64_t{0}), Json(1e300)})
      expect_bad_config(key, value, {"dir/config.json", "key '" + std::string(key) + "'"});
    Json config = good();
    config.erase(key);
    expect_error(ErrorCode::bad_format,
                 {"dir/config.json", "key '" + std::string(key) + "' is missing"},
                 [&] { BertConfig::from_json(config, "dir/config.json"); });
  }
}

TEST(BertConfig, OtherValuesAreCheckedByKey) {
  for (const char* key :
       {"hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"})
    for (const Json& value : {Json(-0.1), Json(1.0), Json("0.1"), Json(true)})
      expect_bad_config(key, value, {"key '" + std::string(key) + "'"});
  expect_bad_config("layer_norm_eps", 0.0, {"key 'layer_norm_eps'", "out of range"});
  expect_bad_config("initializer_range", -1, {"key 'initializer_range'"});
  expect_bad_config("pad_token_id", 30522,
                    {"key 'pad_token_id'", "not in the vocabulary of 30522"});
  expect_bad_config("hidden_act", "swish", {"key 'hidden_act'", "swish"}, ErrorCode::unsupported);
  expect_bad_config("hidden_act", 3, {"key 'hidden_act'"});
  expect_bad_config("hidden_size", 129, {"129 is not divisible by the 2 attention heads"});
  for (const Json& labels :
       {Json::array(), Json::object(), Json{{"0", "a"}, {"2", "b"}}, Json{{"0", 1}}})
    expect_bad_config("id2label", labels, {"key 'id2label'"});
  expect_bad_config("num_labels", 7, {"'num_labels' says 7, 'id2label' names 2"});
  Json huge = good();
  for (const char* key : {"hidden_size", "intermediate_size"}) huge[key] = 1 << 20;
  expect_error(ErrorCode::bad_format, {"x: the sizes make", "parameters"},
               [&] { BertConfig::from_json(huge, "x"); });
  expect_error(ErrorCode::bad_format, {"x", "not a JSON object"},
               [] { BertConfig::from_json(Json::array(), "x"); });
}

TEST(BertConfig, OtherModelsAndVariantsAreUnsupported) {
  expect_bad_config("model_type", "roberta", {"key 'model_type'", "roberta"},
                    ErrorCode::unsupported);
  expect_bad_config("position_embedding_type", "relative_key", {"relative_key"},
                    ErrorCode::unsupported);
  expect_bad_config("is_decoder", true, {"is_decoder"}, ErrorCode::unsupported);
  expect_bad_config("add_cross_attention", true, {"add_cross_attention"}, ErrorCode::unsupported);
  expect_bad_config("problem_type", "regresion", {"key 'problem_type'", "regresion"},
                    ErrorCode::unsupported);
  expect_bad_config("problem_type", 3, {"key 'problem_type'", "not text"});
}

// As transformers: the loss of BertForSequenceClassification, and what its pipeline shows.
TEST(BertConfig, TheHeadIsThatOfProblemTypeAndLabels) {
  const auto head = [](const Json& type, std::int64_t labels) {
    Json config = good();
    config["problem_type"] = type;
    config.erase("id2label");
    config["num_labels"] = labels;
    const BertConfig read = BertConfig::from_json(config, "x");
    EXPECT_EQ(BertConfig::from_json(read.to_json(), "x").head().kind, read.head().kind);
    return read.head();
  };
  const auto expect_head = [&](const Json& type, std::int64_t labels, HeadKind kind, bool sigmoid) {
    const Head made = head(type, labels);
    EXPECT_EQ(made.kind, kind) << type.dump() << labels;
    EXPECT_EQ(made.sigmoid, sigmoid) << type.dump() << labels;
    EXPECT_EQ(made.size, labels);
  };
  expect_head(nullptr, 1, HeadKind::values, true);
  expect_head(nullptr, 2, HeadKind::classes, false);
  expect_head("single_label_classification", 5, HeadKind::classes, false);
  expect_head("regression", 1, HeadKind::values, false);
  expect_head("regression", 3, HeadKind::values, false);
  expect_head("multi_label_classification", 1, HeadKind::labels, true);
  expect_head("multi_label_classification", 4, HeadKind::labels, true);
  expect_error(ErrorCode::unsupported, {"x: key 'problem_type'", "one label"},
               [&] { head("single_label_classification", 1); });
}

// Configurations of 2019 have neither model_type nor label names.
TEST(BertConfig, ReadsTheFirstPublishedConfigurations) {
  const Json old =
      parse_json(R"({"hidden_size": 128, "hidden_act": "gelu", "initializer_range": 0.02,
    "vocab_size": 30522, "hidden_dropout_prob": 0.1, "num_attention_heads": 2, "type_vocab_size": 2,
    "max_position_embeddings": 512, "num_hidden_layers": 2, "intermediate_size": 512,
    "attention_probs_dropout_prob": 0.1})",
                 "old");
  const BertConfig config = BertConfig::from_json(old, "old");
  EXPECT_EQ(config.num_labels, 2);
  EXPECT_EQ(config.layer_norm_eps, 1e-12);
}

TEST(BertConfig, NullIsAllowedWhereTransformersWritesIt) {
  Json config = good();
  config["pad_token_id"] = nullptr;
  config["classifier_dropout"] = nullptr;
  config["problem_type"] = nullptr;
  const BertConfig read = BertConfig::from_json(config, "x");
  EXPECT_EQ(read.pad_token_id, std::nullopt);
  EXPECT_TRUE(read.to_json()["pad_token_id"].is_null());
}

TEST(BertConfig, SetOverridesEveryKeyAndNamesTheNearest) {
  const std::map<std::string, std::string> values{{"vocab_size", "100"},
                                                  {"hidden_size", "64"},
                                                  {"num_hidden_layers", "3"},
                                                  {"num_attention_heads", "4"},
                                                  {"intermediate_size", "96"},
                                                  {"hidden_act", "relu"},
                                                  {"hidden_dropout_prob", "0.25"},
                                                  {"attention_probs_dropout_prob", "0.5"},
                                                  {"classifier_dropout", "0"},
                                                  {"max_position_embeddings", "77"},
                                                  {"type_vocab_size", "5"},
                                                  {"initializer_range", "0.125"},
                                                  {"layer_norm_eps", "0.001"},
                                                  {"pad_token_id", "9"},
                                                  {"num_labels", "4"}};
  ASSERT_EQ(values.size(), bert_config_options().size());
  BertConfig config = builtin_bert_config("bert-tiny");
  for (const auto& [key, value] : values) config.set(key, value);
  const Json written = config.to_json();
  for (const auto& [key, value] : values) {
    if (key == "num_labels")
      EXPECT_EQ(written["id2label"].size(), 4u);
    else if (key == "hidden_act")
      EXPECT_EQ(written[key], value);
    else
      EXPECT_EQ(written[key].get<double>(), std::stod(value)) << key;
  }
  try {
    config.set("hiden_size", "64", "--set");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "--set: unknown key 'hiden_size'");
    EXPECT_EQ(error.hint(), "did you mean 'hidden_size'?");
  }
  for (const auto& [key, value] : std::map<std::string, std::string>{{"hidden_size", "64x"},
                                                                     {"hidden_size", "0"},
                                                                     {"hidden_size", ""},
                                                                     {"hidden_dropout_prob", "nan"},
                                                                     {"hidden_act", "gelo"},
                                                                     {"num_labels", "-1"}})
    expect_error(ErrorCode::invalid_argument, {"--set: key '" + key + "'"},
                 [&, &name = key, &text = value] { config.set(name, text); });
  config.set("hidden_size", "65");
  expect_error(ErrorCode::invalid_argument, {"not divisible"},
               [&] { bert_parameter_specs(config); });
}

// The totals that the authors of the models publish, less the two classes of the head.
TEST(BertConfig, BuiltinsHaveThePublishedSizes) {
  const std::map<std::string, std::int64_t> published{{"bert-tiny", 4385920},
                                                      {"bert-mini", 11170560},
                                                      {"bert-small", 28763648},
                                                      {"bert-base", 109482240}};
  ASSERT_EQ(builtin_bert_names().size(), published.size());
  for (const auto& [name, expected] : published) {
    EXPECT_TRUE(is_builtin_bert(name));
    const BertConfig config = builtin_bert_config(name);
    std::int64_t count = 0;
    for (const ParameterSpec& spec : bert_parameter_specs(config))
      count += element_count(spec.shape);
    EXPECT_EQ(count - 2 * config.hidden_size - 2, expected) << name;
  }
  EXPECT_FALSE(is_builtin_bert("bert-large"));
  expect_error(ErrorCode::not_found, {"bert-tinny"}, [] { builtin_bert_config("bert-tinny"); });
}

TEST(BertConfig, SpecsStartAsBertDoes) {
  BertConfig config = builtin_bert_config("bert-tiny");
  config.initializer_range = 0.5;
  for (const ParameterSpec& spec : bert_parameter_specs(config)) {
    const bool bias = spec.name.ends_with(".bias");
    const bool scale = spec.name.ends_with("LayerNorm.weight");
    EXPECT_EQ(spec.initializer, bias    ? Initializer::zeros
                                : scale ? Initializer::ones
                                        : Initializer::normal)
        << spec.name;
    if (!bias && !scale) EXPECT_EQ(spec.deviation, 0.5);
    EXPECT_EQ(spec.shape.size(), bias || scale ? 1u : 2u);
  }
}

}  // namespace
}  // namespace hone
