// Puts what the files of a tokenizer say together, as transformers 5 does.
#include <algorithm>

#include "hone/core/error.hpp"
#include "hone/data/tokenizer_parse.hpp"
#include "hone/data/tokenizer_state.hpp"

namespace hone {
namespace {

// Gives added tokens their ids: that of the vocabulary, or the next after all there are. An id the
// files name must be that one, for it is what other libraries count with.
class AddedTokens {
public:
  AddedTokens(Vocabulary& vocabulary, std::string prefix)
      : vocabulary_(vocabulary), prefix_(std::move(prefix)) {
    vocabulary_.build(prefix_);
  }

  // `id` below 0: none is named. A token given twice takes the later flags. `place` starts
  // messages.
  std::int32_t add(AddedToken token, std::int64_t id, const std::string& place) {
    const auto known = std::find_if(tokens_.begin(), tokens_.end(), [&](const AddedToken& other) {
      return other.content == token.content;
    });
    const std::int32_t found = vocabulary_.find(token.content);
    const bool is_piece = vocabulary_.is_piece(found);
    token.id = known != tokens_.end() ? known->id : is_piece ? found : next_id();
    if (id >= 0 && id != token.id) refuse(token, id, known != tokens_.end() || is_piece, place);
    if (known != tokens_.end()) {
      *known = token;
      return token.id;
    }
    if (!is_piece) {
      try {
        vocabulary_.add(token.content, token.id, false);
      } catch (const Error& error) {
        throw Error(ErrorCode::bad_format, fmt::format("{}: {}", place, error.message()),
                    "give each token an id of its own");
      }
    }
    largest_ = std::max(largest_, token.id);
    tokens_.push_back(std::move(token));
    return tokens_.back().id;
  }

  bool has(std::string_view content) const {
    return std::any_of(tokens_.begin(), tokens_.end(),
                       [&](const AddedToken& token) { return token.content == content; });
  }

  std::vector<AddedToken> take() { return std::move(tokens_); }

private:
  std::int32_t next_id() const {
    const auto pieces = static_cast<std::int32_t>(vocabulary_.pieces());
    return largest_ >= pieces ? largest_ + 1 : pieces;
  }

  [[noreturn]] void refuse(const AddedToken& token, std::int64_t id, bool has_id,
                           const std::string& place) const {
    const std::string other(vocabulary_.token(id));
    if (!has_id && other.empty())
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: the added token '{}' has id {}, but the next free id is {}: "
                              "libraries disagree about such a gap",
                              place, token.content, id, token.id),
                  "give added tokens the ids that follow the vocabulary");
    throw Error(
        ErrorCode::bad_format,
        has_id ? fmt::format("{}: the added token '{}' has id {}, but it is {} in the vocabulary",
                             place, token.content, id, token.id)
               : fmt::format("{}: the added token '{}' has id {}, which is that of '{}'", place,
                             token.content, id, other),
        "take the files of one tokenizer, with the ids the model was trained with");
  }

  Vocabulary& vocabulary_;
  std::string prefix_;
  std::vector<AddedToken> tokens_;
  std::int32_t largest_ = -1;
};

class Resolver {
public:
  explicit Resolver(const TokenizerFiles& files) : files_(files), config_(parse_config(files)) {}

  TokenizerDefinition resolve() {
    std::optional<JsonTokenizer> json;
    if (files_.json) json = parse_tokenizer_json(*files_.json, files_.json_path, config_.is_bert);
    if (config_.is_bert)
      take_bert(
          json ? std::move(json->definition.vocabulary)
               : parse_vocabulary_text(files_.vocabulary.value_or(""), files_.vocabulary_path));
    else
      take_json(*json);
    d_.notes = config_.notes;
    add_tokens(json ? json->added : std::vector<AddedToken>());
    if (config_.is_bert) make_templates();
    if (!config_.gives_types)
      for (TemplatePiece& piece : d_.pair) piece.type = 0;
    d_.pad_left = config_.pad_left;
    d_.truncate_left = config_.truncate_left.value_or(json && json->truncates_left);
    d_.split_special = config_.split_special;
    d_.model_max_length = config_.model_max_length;
    d_.other_settings = config_.other_settings;
    d_.has_special_map = files_.special_map.has_value();
    d_.has_added_file = files_.added.has_value();
    if (json) compare(*json);
    if (json) {
      d_.saved_truncation = json->definition.saved_truncation;
      d_.saved_padding = json->definition.saved_padding;
      d_.saved_padding_multiple = json->definition.saved_padding_multiple;
    }
    return std::move(d_);
  }

private:
  // BertTokenizer takes only vocabulary and added tokens from files; all else are settings of
  // tokenizer_config.json with these defaults.
  void take_bert(Vocabulary vocabulary) {
    d_.vocabulary = std::move(vocabulary);
    d_.lowercase = config_.lowercase.value_or(true);
    d_.strip_accents = config_.strip_accents.value_or(d_.lowercase);
    d_.split_chinese = config_.split_chinese.value_or(true);
    d_.unknown = role("unk_token");
  }

  void take_json(const JsonTokenizer& json) {
    const TokenizerDefinition& from = json.definition;
    d_.clean_text = from.clean_text;
    d_.split_chinese = from.split_chinese;
    d_.strip_accents = from.strip_accents;
    d_.lowercase = from.lowercase;
    d_.unknown = from.unknown;
    d_.prefix = from.prefix;
    d_.longest_word = from.longest_word;
    d_.single = from.single;
    d_.pair = from.pair;
    d_.vocabulary = from.vocabulary;
  }

  std::string vocabulary_place() const {
    return (files_.json ? files_.json_path : files_.vocabulary_path).string();
  }

  // The token that must be there.
  const std::string& role(const std::string& name) const {
    for (const auto& [known, token] : config_.roles)
      if (known == name) return token.content;
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: '{}' is null",
                            (files_.directory / "tokenizer_config.json").string(), name),
                "name the token of the vocabulary that it is");
  }

  void add_tokens(const std::vector<AddedToken>& of_json) {
    AddedTokens added(d_.vocabulary, d_.prefix);
    const std::map<std::int32_t, AddedToken> own = by_id(of_json);
    const std::string own_place = files_.json_path.string() + ": added_tokens";
    // For BertTokenizer added_tokens_decoder takes the place of what tokenizer.json lists; for the
    // other class it adds to it. Without one, what tokenizer.json lists takes the place of
    // added_tokens.json, token by token.
    const bool overruled = config_.is_bert && config_.has_decoder;
    if (overruled)
      for (const AddedToken& token : of_json) note_dropped(token);
    if (!config_.is_bert)
      for (const auto& [id, token] : own) add_named(added, token, own_place);
    std::map<std::int32_t, AddedToken> listed = config_.added;
    if (!config_.has_decoder)
      for (const auto& [id, token] : own) listed.insert_or_assign(id, checked_same(listed, token));
    for (const auto& [id, token] : listed)
      add_named(added, token, config_.added.contains(id) ? config_.added_place : own_place);
    for (const auto& [name, token] : config_.roles) {
      if (name.ends_with("_token"))
        d_.roles.emplace_back(name, token.content);
      else
        d_.extra_special.push_back(token.content);
      if (added.has(token.content)) continue;
      const bool required = name == "cls_token" || name == "sep_token" || name == "unk_token";
      if (required && config_.is_bert && !d_.vocabulary.is_piece(d_.vocabulary.find(token.content)))
        refuse_missing(name, token.content);
      added.add(token, -1, config_.added_place);
    }
    for (const AddedToken& token : config_.extra) {
      d_.extra_special.push_back(token.content);
      if (!added.has(token.content)) added.add(token, -1, config_.added_place);
    }
    d_.added = added.take();
  }

  [[noreturn]] void refuse_missing(const std::string& name, const std::string& token) const {
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: lacks the token '{}'", vocabulary_place(), token),
                fmt::format("name the right one as '{}' in tokenizer_config.json", name));
  }

  std::map<std::int32_t, AddedToken> by_id(const std::vector<AddedToken>& tokens) const {
    std::map<std::int32_t, AddedToken> map;
    for (const AddedToken& token : tokens) {
      const auto [other, is_new] = map.emplace(token.id, token);
      if (!is_new)
        throw Error(
            ErrorCode::bad_format,
            fmt::format("{}: added_tokens: id {} is given to both '{}' and '{}'",
                        files_.json_path.string(), token.id, other->second.content, token.content),
            "give each token an id of its own");
    }
    return map;
  }

  // Two files may list one token; another under the same id is a contradiction.
  const AddedToken& checked_same(const std::map<std::int32_t, AddedToken>& listed,
                                 const AddedToken& token) const {
    const auto before = listed.find(token.id);
    if (before != listed.end() && before->second.content != token.content)
      throw Error(
          ErrorCode::bad_format,
          fmt::format("{}: added_tokens: id {} is '{}', but '{}' in {}", files_.json_path.string(),
                      token.id, token.content, before->second.content, config_.added_place),
          "take the files of one tokenizer");
    return token;
  }

  void add_named(AddedTokens& added, AddedToken token, const std::string& place) {
    const std::int32_t id = token.id;
    for (const auto& [name, named] : config_.roles)
      if (named.content == token.content) token.special = true;
    added.add(std::move(token), id, place);
  }

  void note_dropped(const AddedToken& token) {
    const auto same = config_.added.find(token.id);
    const std::string_view what = same == config_.added.end() ? "lacks it"
                                  : same->second.content != token.content
                                      ? "gives its id to another"
                                      : "has it with other flags";
    if (same != config_.added.end() && same->second == token) return;
    // The roles are added whatever the list says.
    if (same == config_.added.end())
      for (const auto& [name, named] : config_.roles)
        if (named.content == token.content) return;
    d_.notes.push_back(fmt::format(
        "the added token '{}' ({}) of tokenizer.json is overruled: added_tokens_decoder "
        "of tokenizer_config.json {}",
        token.content, token.id, what));
  }

  void make_templates() {
    const std::int32_t classify = id_of("cls_token");
    const std::int32_t separate = id_of("sep_token");
    d_.single = single_template(classify, separate);
    d_.pair = pair_template(classify, separate);
  }

  std::int32_t id_of(const char* name) const {
    const std::string& content = role(name);
    for (const AddedToken& token : d_.added)
      if (token.content == content) return token.id;
    refuse_missing(name, content);
  }

  // Says what tokenizer.json asks for and does not get, and the other way round.
  void compare(const JsonTokenizer& tokenizer) {
    const TokenizerDefinition& json = tokenizer.definition;
    const auto differ = [&](const char* there, const auto& value, const char* here,
                            const auto& holds) {
      if (value != holds)
        d_.notes.push_back(
            fmt::format("tokenizer.json has {} = {}, tokenizer_config.json (or the "
                        "default of BertTokenizer) {} = {}: the latter holds",
                        there, value, here, holds));
    };
    if (!config_.is_bert) {
      if (config_.lowercase && *config_.lowercase != d_.lowercase)
        d_.notes.push_back(
            fmt::format("do_lower_case = {} of tokenizer_config.json changes nothing "
                        "for PreTrainedTokenizerFast: tokenizer.json says {}",
                        *config_.lowercase, d_.lowercase));
      return;
    }
    const auto is_read = [&](std::string_view section) {
      const auto& unread = tokenizer.unread;
      return std::find(unread.begin(), unread.end(), section) == unread.end();
    };
    for (const std::string& section : tokenizer.unread)
      d_.notes.push_back(fmt::format(
          "the {} of tokenizer.json is overruled: a BertTokenizer has one of its own", section));
    if (is_read("normalizer")) {
      differ("lowercase", json.lowercase, "do_lower_case", d_.lowercase);
      differ("strip_accents", json.strip_accents, "strip_accents", d_.strip_accents);
      differ("handle_chinese_chars", json.split_chinese, "tokenize_chinese_chars",
             d_.split_chinese);
      differ("clean_text", json.clean_text, "clean_text", true);
    }
    differ("continuing_subword_prefix", json.prefix, "prefix", d_.prefix);
    differ("max_input_chars_per_word", json.longest_word, "longest word", d_.longest_word);
    differ("unk_token", json.unknown, "unk_token", d_.unknown);
    if (is_read("post_processor") &&
        (json.single != d_.single ||
         (!json.pair.empty() && config_.gives_types && json.pair != d_.pair)))
      d_.notes.push_back(
          "the post_processor of tokenizer.json is overruled: a BertTokenizer puts " +
          role("cls_token") + " before and " + role("sep_token") + " after each text");
  }

  const TokenizerFiles& files_;
  ConfigTokenizer config_;
  TokenizerDefinition d_;
};

}  // namespace

TokenizerDefinition read_definition(const TokenizerFiles& files) {
  return Resolver(files).resolve();
}

}  // namespace hone
