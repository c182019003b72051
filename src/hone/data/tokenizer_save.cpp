// The files of a saved tokenizer.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "hone/data/tokenizer_state.hpp"
#include "hone/data/unicode.hpp"

namespace hone {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr std::string_view vocabulary_mark = "\"hone: the vocabulary\"";

OrderedJson template_json(const Tokenizer& tokenizer, const Template& pieces) {
  OrderedJson list = OrderedJson::array();
  for (const TemplatePiece& piece : pieces) {
    if (piece.kind == TemplatePiece::Kind::token) {
      list.push_back(
          {{"SpecialToken", {{"id", tokenizer.token(piece.id)}, {"type_id", piece.type}}}});
      continue;
    }
    const char* name = piece.kind == TemplatePiece::Kind::first ? "A" : "B";
    list.push_back({{"Sequence", {{"id", name}, {"type_id", piece.type}}}});
  }
  return list;
}

OrderedJson post_processor(const Tokenizer& tokenizer) {
  const TokenizerDefinition& d = tokenizer.definition();
  OrderedJson tokens = OrderedJson::object();
  for (const Template* pieces : {&d.single, &d.pair})
    for (const TemplatePiece& piece : *pieces)
      if (piece.kind == TemplatePiece::Kind::token)
        tokens[tokenizer.token(piece.id)] = {
            {"id", tokenizer.token(piece.id)},
            {"ids", OrderedJson::array({piece.id})},
            {"tokens", OrderedJson::array({tokenizer.token(piece.id)})}};
  return {{"type", "TemplateProcessing"},
          {"single", template_json(tokenizer, d.single)},
          {"pair", template_json(tokenizer, d.pair)},
          {"special_tokens", tokens}};
}

OrderedJson token_json(const AddedToken& token) {
  return {{"content", token.content},       {"single_word", token.single_word},
          {"lstrip", token.strip_left},     {"rstrip", token.strip_right},
          {"normalized", token.normalized}, {"special", token.special}};
}

// A JSON text: most tokens need no escape, and thirty thousand of them are written at every
// checkpoint.
void append_text(std::string_view token, std::string& out) {
  const auto needs_escape = [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\' || c == 0x7f;
  };
  if (std::any_of(token.begin(), token.end(), needs_escape)) {
    out += OrderedJson(token).dump();
    return;
  }
  out += '"';
  out += token;
  out += '"';
}

// {"token": id, ...}. Tokens are unique but for the rare list that repeats one: there the last id
// is the one that counts, so only that one is written.
std::string vocabulary_json(const Vocabulary& vocabulary) {
  std::string out = "{";
  for (std::int64_t id = 0; id < vocabulary.size(); ++id) {
    if (!vocabulary.is_piece(id) || vocabulary.find(vocabulary.token(id)) != id) continue;
    out += out.size() > 1 ? ",\n   " : "\n   ";
    append_text(vocabulary.token(id), out);
    out += ": ";
    out += std::to_string(id);
  }
  return out + "\n  }";
}

std::string tokenizer_json(const Tokenizer& tokenizer) {
  const TokenizerDefinition& d = tokenizer.definition();
  OrderedJson added = OrderedJson::array();
  for (const AddedToken& token : d.added) {
    OrderedJson entry{{"id", token.id}};
    entry.update(token_json(token));
    added.push_back(std::move(entry));
  }
  const OrderedJson root{
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", added},
      {"normalizer",
       {{"type", "BertNormalizer"},
        {"clean_text", d.clean_text},
        {"handle_chinese_chars", d.split_chinese},
        {"strip_accents", d.strip_accents},
        {"lowercase", d.lowercase}}},
      {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
      {"post_processor", post_processor(tokenizer)},
      {"decoder", {{"type", "WordPiece"}, {"prefix", d.prefix}, {"cleanup", true}}},
      {"model",
       {{"type", "WordPiece"},
        {"unk_token", d.unknown},
        {"continuing_subword_prefix", d.prefix},
        {"max_input_chars_per_word", d.longest_word},
        {"vocab", "hone: the vocabulary"}}}};
  std::string text = root.dump(1) + "\n";
  text.replace(text.rfind(vocabulary_mark), vocabulary_mark.size(), vocabulary_json(d.vocabulary));
  return text;
}

// Whether BertTokenizer, which makes all but vocabulary and added tokens anew, makes this.
bool is_bert(const Tokenizer& tokenizer) {
  const TokenizerDefinition& d = tokenizer.definition();
  const std::int32_t classify = tokenizer.id(d.role("cls_token"));
  const std::int32_t separate = tokenizer.id(d.role("sep_token"));
  return d.clean_text && d.prefix == "##" && d.longest_word == 100 &&
         d.unknown == d.role("unk_token") && classify >= 0 && separate >= 0 &&
         d.single == single_template(classify, separate) &&
         d.pair == pair_template(classify, separate);
}

OrderedJson tokenizer_config(const Tokenizer& tokenizer) {
  const TokenizerDefinition& d = tokenizer.definition();
  OrderedJson config = OrderedJson::parse(d.other_settings);
  OrderedJson decoder = OrderedJson::object();
  for (const AddedToken& token : d.added) decoder[std::to_string(token.id)] = token_json(token);
  config["added_tokens_decoder"] = decoder;
  config["do_lower_case"] = d.lowercase;
  config["strip_accents"] = d.strip_accents;
  config["tokenize_chinese_chars"] = d.split_chinese;
  config["tokenizer_class"] = is_bert(tokenizer) ? "BertTokenizer" : "PreTrainedTokenizerFast";
  config["truncation_side"] = d.truncate_left ? "left" : "right";
  // PreTrainedTokenizerFast gives no token types unless they are named.
  const bool has_types = std::any_of(d.pair.begin(), d.pair.end(),
                                     [](const TemplatePiece& piece) { return piece.type != 0; });
  if (has_types && !config.contains("model_input_names"))
    config["model_input_names"] = {"input_ids", "token_type_ids", "attention_mask"};
  if (d.model_max_length > 0) config["model_max_length"] = d.model_max_length;
  if (d.split_special) config["split_special_tokens"] = true;
  if (!d.extra_special.empty()) config["extra_special_tokens"] = d.extra_special;
  for (const auto& [role, content] : d.roles) config[role] = content;
  // Without a token of that role BertTokenizer would add one.
  for (const auto& [role, content] : default_roles())
    if (d.role(role).empty()) config[role] = nullptr;
  return config;
}

OrderedJson special_map(const TokenizerDefinition& d) {
  OrderedJson map = OrderedJson::object();
  for (const auto& [role, content] : d.roles) map[role] = content;
  if (!d.extra_special.empty()) map["additional_special_tokens"] = d.extra_special;
  return map;
}

// Those with an id of their own.
OrderedJson added_tokens(const TokenizerDefinition& d) {
  OrderedJson added = OrderedJson::object();
  for (const AddedToken& token : d.added)
    if (!d.vocabulary.is_piece(token.id)) added[token.content] = token.id;
  return added;
}

bool ends_in_space(std::string_view token) {
  bool space = false;
  for (std::size_t at = 0; at < token.size();)
    space = unicode::is_space(unicode::decode(token, at));
  return space;
}

// One piece a line; empty where that does not give every piece its id again.
std::string vocabulary_text(const Vocabulary& vocabulary) {
  std::string list;
  bool ended = false;
  for (std::int64_t id = 0; id < vocabulary.size(); ++id) {
    if (!vocabulary.is_piece(id)) {
      ended = true;
      continue;
    }
    const std::string_view token = vocabulary.token(id);
    const bool is_line = token.find('\n') == std::string_view::npos && !ends_in_space(token);
    if (ended || !is_line) return "";
    list += token;
    list += '\n';
  }
  return list;
}

}  // namespace

TokenizerTexts saved_texts(const Tokenizer& tokenizer) {
  const TokenizerDefinition& d = tokenizer.definition();
  TokenizerTexts texts;
  texts["tokenizer.json"] = tokenizer_json(tokenizer);
  texts["tokenizer_config.json"] = tokenizer_config(tokenizer).dump(1) + "\n";
  if (std::string list = vocabulary_text(d.vocabulary); is_bert(tokenizer) && !list.empty())
    texts["vocab.txt"] = std::move(list);
  if (d.has_special_map) texts["special_tokens_map.json"] = special_map(d).dump(1) + "\n";
  if (d.has_added_file) texts["added_tokens.json"] = added_tokens(d).dump(1) + "\n";
  return texts;
}

}  // namespace hone
