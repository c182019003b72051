#include "hone/frontends/bert_config.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"

namespace hone {
namespace {

constexpr double max_size = 1 << 20;        // widths, positions, labels
constexpr double max_vocabulary = 1 << 24;  // rows of an embedding
constexpr double max_parameters = 1e12;

OptionSpec whole(std::string name, std::string help, double minimum, double maximum) {
  return {std::move(name), OptionType::integer, std::nullopt, std::move(help), minimum, maximum};
}

OptionSpec real(std::string name, std::string help, double minimum, double maximum) {
  return {std::move(name), OptionType::real, std::nullopt, std::move(help), minimum, maximum};
}

// Without these there is no model; the other keys have defaults.
constexpr std::array<const char*, 7> required_keys{"vocab_size",        "hidden_size",
                                                   "num_hidden_layers", "num_attention_heads",
                                                   "intermediate_size", "max_position_embeddings",
                                                   "type_vocab_size"};

// The member that a key names.
std::int64_t* whole_member(BertConfig& config, std::string_view key) {
  if (key == "vocab_size") return &config.vocab_size;
  if (key == "hidden_size") return &config.hidden_size;
  if (key == "num_hidden_layers") return &config.num_hidden_layers;
  if (key == "num_attention_heads") return &config.num_attention_heads;
  if (key == "intermediate_size") return &config.intermediate_size;
  if (key == "max_position_embeddings") return &config.max_position_embeddings;
  if (key == "type_vocab_size") return &config.type_vocab_size;
  return nullptr;
}

double* real_member(BertConfig& config, std::string_view key) {
  if (key == "hidden_dropout_prob") return &config.hidden_dropout_prob;
  if (key == "attention_probs_dropout_prob") return &config.attention_probs_dropout_prob;
  if (key == "initializer_range") return &config.initializer_range;
  if (key == "layer_norm_eps") return &config.layer_norm_eps;
  return nullptr;
}

void set_label_count(BertConfig& config, std::int64_t count) {
  config.num_labels = count;
  config.id2label.clear();
  for (std::int64_t i = 0; i < count; ++i) config.id2label.push_back(fmt::format("LABEL_{}", i));
}

void assign(BertConfig& config, const std::string& key, const OptionValue& value) {
  if (std::int64_t* member = whole_member(config, key))
    *member = std::get<std::int64_t>(value);
  else if (double* number = real_member(config, key))
    *number = std::get<double>(value);
  else if (key == "classifier_dropout")
    config.classifier_dropout = std::get<double>(value);
  else if (key == "pad_token_id")
    config.pad_token_id = std::get<std::int64_t>(value);
  else if (key == "hidden_act")
    config.hidden_act = std::get<std::string>(value);
  else if (key == "num_labels")
    set_label_count(config, std::get<std::int64_t>(value));
  else
    throw Error(ErrorCode::internal, "no member for the key '" + key + "'");
}

// A JSON value as the option it is given for; null and containers are refused.
OptionValue option_of(const Json& value, const std::string& where) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t{1} << 62)
    return std::int64_t{1} << 62;  // out of every range, and said so with the range
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) return value.get<std::string>();
  throw Error(ErrorCode::bad_format, fmt::format("{}: expected a single value", where),
              "see the config.json of a BERT model");
}

void read_key(BertConfig& config, const OptionSpec& spec, const Json& value,
              const std::string& where) {
  const std::string place = fmt::format("{}: key '{}'", where, spec.name);
  if (value.is_null()) {
    if (spec.name == "classifier_dropout")
      config.classifier_dropout.reset();
    else if (spec.name == "pad_token_id")
      config.pad_token_id.reset();
    else
      throw Error(ErrorCode::bad_format, place + ": is null");
    return;
  }
  try {
    assign(config, spec.name, check_option(spec, option_of(value, place), place));
  } catch (const Error& error) {
    const bool activation = spec.name == "hidden_act" && value.is_string();
    throw Error(activation ? ErrorCode::unsupported : ErrorCode::bad_format,
                printable(error.message(), 400), error.hint());
  }
}

[[noreturn]] void unsupported(const std::string& where, const char* key, const Json& value) {
  throw Error(
      ErrorCode::unsupported,
      fmt::format("{}: key '{}': {} is not supported", where, key, printable(value.dump(-1, true))),
      "hone computes BERT encoders with absolute positions");
}

void refuse_variants(const Json& config, const std::string& where) {
  const auto refuse_unless = [&](const char* key, const Json& accepted) {
    const Json* found = config.find_member(key);
    if (found != nullptr && !found->is_null() && *found != accepted)
      unsupported(where, key, *found);
  };
  refuse_unless("model_type", "bert");
  refuse_unless("position_embedding_type", "absolute");
  refuse_unless("is_decoder", false);
  refuse_unless("add_cross_attention", false);
}

void read_problem_type(BertConfig& config, const Json& json, const std::string& where) {
  const Json* type = json.find_member("problem_type");
  if (type != nullptr && !type->is_null()) {
    if (!type->is_string())
      throw Error(ErrorCode::bad_format, where + ": key 'problem_type': is not text",
                  "for example \"regression\"");
    config.problem_type = type->text();
  }
  make_head(config.problem_type, config.num_labels, where);
}

void read_labels(BertConfig& config, const Json& names, const std::string& where) {
  const std::string place = where + ": key 'id2label'";
  if (!names.is_object() || names.empty() || names.size() > static_cast<std::size_t>(max_size))
    throw Error(ErrorCode::bad_format, place + ": expected an object of label names",
                "for example {\"0\": \"negative\", \"1\": \"positive\"}");
  std::vector<std::string> labels(names.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const Json* found = names.find_member(std::to_string(i));
    if (found == nullptr || !found->is_string())
      throw Error(ErrorCode::bad_format, fmt::format("{}: label {} has no name", place, i),
                  "labels are numbered from 0 without gaps");
    labels[i] = found->get<std::string>();
  }
  config.num_labels = static_cast<std::int64_t>(labels.size());
  config.id2label = std::move(labels);
}

struct Builtin {
  const char* name;
  std::int64_t layers;
  std::int64_t hidden;
  std::int64_t heads;
  std::int64_t intermediate;
};

// Turc et al., "Well-Read Students Learn Better" (2019), and BERT-base of Devlin et al.
constexpr std::array<Builtin, 4> builtins{{{"bert-tiny", 2, 128, 2, 512},
                                           {"bert-mini", 4, 256, 4, 1024},
                                           {"bert-small", 4, 512, 8, 2048},
                                           {"bert-base", 12, 768, 12, 3072}}};

}  // namespace

const std::vector<OptionSpec>& bert_config_options() {
  static const std::vector<OptionSpec> options = [] {
    OptionSpec activation{"hidden_act", OptionType::text, std::nullopt,
                          "activation of the feed-forward layer"};
    activation.choices = {"gelu", "gelu_new", "gelu_pytorch_tanh", "relu"};
    return std::vector<OptionSpec>{
        whole("vocab_size", "tokens in the vocabulary", 1, max_vocabulary),
        whole("hidden_size", "width", 1, max_size),
        whole("num_hidden_layers", "layers", 1, 4096),
        whole("num_attention_heads", "heads; must divide hidden_size", 1, max_size),
        whole("intermediate_size", "width inside the feed-forward layer", 1, max_size),
        std::move(activation),
        real("hidden_dropout_prob", "dropout after embeddings and layers", 0, 0.999),
        real("attention_probs_dropout_prob", "dropout of attention weights", 0, 0.999),
        real("classifier_dropout", "dropout before the classifier", 0, 0.999),
        whole("max_position_embeddings", "longest sequence, in tokens", 1, max_vocabulary),
        whole("type_vocab_size", "kinds of segments", 1, max_size),
        real("initializer_range", "standard deviation of fresh matrices", 0, 100),
        real("layer_norm_eps", "added to the variance", 1e-30, 1),
        whole("pad_token_id", "token that pads (hone itself pads nothing)", 0, max_vocabulary),
        whole("num_labels", "classes", 1, max_size)};
  }();
  return options;
}

BertConfig BertConfig::from_json(const Json& json, const std::string& where) {
  if (!json.is_object()) throw Error(ErrorCode::bad_format, where + ": is not a JSON object");
  refuse_variants(json, where);
  for (const char* key : required_keys) {
    if (!json.contains(key))
      throw Error(ErrorCode::bad_format, fmt::format("{}: key '{}' is missing", where, key),
                  "expected the config.json of a BERT model");
  }
  BertConfig config;
  for (const OptionSpec& spec : bert_config_options()) {
    if (json.contains(spec.name)) read_key(config, spec, json[spec.name], where);
  }
  if (json.contains("id2label") && !json["id2label"].is_null()) {
    const std::int64_t stated = json.contains("num_labels") ? config.num_labels : 0;
    read_labels(config, json["id2label"], where);
    if (stated != 0 && stated != config.num_labels)
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: key 'num_labels' says {}, 'id2label' names {}", where, stated,
                              config.num_labels));
  }
  read_problem_type(config, json, where);
  config.original = json;
  try {
    config.check(where);
  } catch (const Error& error) {
    throw Error(ErrorCode::bad_format, error.message(), error.hint());
  }
  return config;
}

Json BertConfig::to_json() const {
  check("configuration");
  Json result = original;
  BertConfig copy = *this;
  for (const OptionSpec& spec : bert_config_options()) {
    if (const std::int64_t* member = whole_member(copy, spec.name)) result[spec.name] = *member;
    if (const double* number = real_member(copy, spec.name)) result[spec.name] = *number;
  }
  result["hidden_act"] = hidden_act;
  result["classifier_dropout"] = classifier_dropout ? Json(*classifier_dropout) : Json(nullptr);
  result["pad_token_id"] = pad_token_id ? Json(*pad_token_id) : Json(nullptr);
  result["model_type"] = "bert";
  if (problem_type.empty())
    result.erase("problem_type");
  else
    result["problem_type"] = problem_type;
  result["architectures"] = {"BertForSequenceClassification"};
  // transformers counts the names; beside them "num_labels" would only be a second truth.
  result.erase("num_labels");
  result["id2label"] = Json::object();
  result["label2id"] = Json::object();
  for (std::size_t i = 0; i < id2label.size(); ++i) {
    result["id2label"][std::to_string(i)] = id2label[i];
    result["label2id"][id2label[i]] = i;
  }
  return result;
}

void BertConfig::set(const std::string& key, std::string_view value, const std::string& where) {
  const OptionSpec& spec = find_option(bert_config_options(), key, where);
  assign(*this, key, parse_option(spec, value, where + ": key '" + key + "'"));
}

void BertConfig::check(const std::string& where) const {
  const auto wrong = [&](const std::string& what, const char* hint) {
    throw Error(ErrorCode::invalid_argument, where + ": " + what, hint);
  };
  if (num_attention_heads < 1 || hidden_size % num_attention_heads != 0)
    wrong(fmt::format("key 'hidden_size': {} is not divisible by the {} attention heads",
                      hidden_size, num_attention_heads),
          "change hidden_size or num_attention_heads");
  if (pad_token_id && *pad_token_id >= vocab_size)
    wrong(fmt::format("key 'pad_token_id': {} is not in the vocabulary of {}", *pad_token_id,
                      vocab_size),
          "token numbers start at 0");
  if (static_cast<std::int64_t>(id2label.size()) != num_labels)
    wrong(fmt::format("key 'id2label': {} names for {} labels", id2label.size(), num_labels),
          "every label needs a name");
  const auto width = static_cast<double>(hidden_size);
  const double rows = static_cast<double>(vocab_size) +
                      static_cast<double>(max_position_embeddings) +
                      static_cast<double>(type_vocab_size) + static_cast<double>(num_labels);
  const double layer = 4 * width * width + 2 * width * static_cast<double>(intermediate_size);
  const double parameters = rows * width + layer * static_cast<double>(num_hidden_layers);
  if (!(parameters <= max_parameters))
    wrong(fmt::format("the sizes make {:.3g} parameters; the limit is {:.0g}", parameters,
                      max_parameters),
          "check vocab_size, hidden_size, intermediate_size and num_hidden_layers");
}

std::vector<std::string> builtin_bert_names() {
  std::vector<std::string> names;
  for (const Builtin& builtin : builtins) names.emplace_back(builtin.name);
  return names;
}

bool is_builtin_bert(const std::string& name) {
  return std::any_of(builtins.begin(), builtins.end(),
                     [&](const Builtin& builtin) { return name == builtin.name; });
}

BertConfig builtin_bert_config(const std::string& name) {
  for (const Builtin& builtin : builtins) {
    if (name != builtin.name) continue;
    BertConfig config;
    config.num_hidden_layers = builtin.layers;
    config.hidden_size = builtin.hidden;
    config.num_attention_heads = builtin.heads;
    config.intermediate_size = builtin.intermediate;
    return config;
  }
  throw Error(ErrorCode::not_found, fmt::format("there is no built-in model '{}'", printable(name)),
              did_you_mean(name, builtin_bert_names()));
}

std::vector<ParameterSpec> bert_parameter_specs(const BertConfig& config) {
  config.check("configuration");
  std::vector<ParameterSpec> specs;
  const auto add = [&](const std::string& name, Shape shape, Initializer initializer) {
    const double deviation = initializer == Initializer::normal ? config.initializer_range : 0.0;
    specs.push_back({name, std::move(shape), initializer, deviation});
  };
  const auto linear = [&](const std::string& name, std::int64_t out, std::int64_t in) {
    add(name + ".weight", {out, in}, Initializer::normal);
    add(name + ".bias", {out}, Initializer::zeros);
  };
  const std::int64_t width = config.hidden_size;
  const auto norm = [&](const std::string& name) {
    add(name + ".weight", {width}, Initializer::ones);
    add(name + ".bias", {width}, Initializer::zeros);
  };
  const std::string embeddings = "bert.embeddings.";
  add(embeddings + "word_embeddings.weight", {config.vocab_size, width}, Initializer::normal);
  add(embeddings + "position_embeddings.weight", {config.max_position_embeddings, width},
      Initializer::normal);
  add(embeddings + "token_type_embeddings.weight", {config.type_vocab_size, width},
      Initializer::normal);
  norm(embeddings + "LayerNorm");
  for (std::int64_t i = 0; i < config.num_hidden_layers; ++i) {
    const std::string layer = fmt::format("bert.encoder.layer.{}.", i);
    for (const char* part : {"query", "key", "value"})
      linear(layer + "attention.self." + part, width, width);
    linear(layer + "attention.output.dense", width, width);
    norm(layer + "attention.output.LayerNorm");
    linear(layer + "intermediate.dense", config.intermediate_size, width);
    linear(layer + "output.dense", width, config.intermediate_size);
    norm(layer + "output.LayerNorm");
  }
  linear("bert.pooler.dense", width, width);
  linear("classifier", config.num_labels, width);
  return specs;
}

}  // namespace hone
