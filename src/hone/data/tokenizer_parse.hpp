// What each file of a tokenizer says by itself. Internal to the tokenizer's sources.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hone/data/tokenizer.hpp"
#include "hone/data/tokenizer_json.hpp"

namespace hone {

// A tokenizer.json, as the tokenizers library reads it.
struct JsonTokenizer {
  TokenizerDefinition definition;   // without added tokens; the vocabulary is not yet built
  std::vector<AddedToken> added;    // with their ids
  bool truncates_left = false;      // "direction" of its truncation
  std::vector<std::string> unread;  // sections that count for nothing and are not known
};
// With `for_bert` the steps before and after the model count for nothing: BertTokenizer has its
// own.
JsonTokenizer parse_tokenizer_json(std::string_view text, const std::filesystem::path& path,
                                   bool for_bert);

// The tokens of a vocab.txt, one a line; white space at the end of a line is no part of it.
Vocabulary parse_vocabulary_text(std::string_view text, const std::filesystem::path& path);

// An added token as tokenizer_config.json and special_tokens_map.json write it: its text, or an
// object with it. A text is special; an object is what it says, `special` unless it says otherwise.
AddedToken read_added_token(const LibraryJson& json, const std::filesystem::path& path,
                            const std::string& where, bool special);

// tokenizer_config.json, added_tokens.json and special_tokens_map.json together.
struct ConfigTokenizer {
  // BertTokenizer makes all but vocabulary and added tokens anew; TokenizersBackend takes
  // tokenizer.json as it is.
  bool is_bert = true;
  std::optional<bool> lowercase;
  std::optional<bool> strip_accents;
  std::optional<bool> split_chinese;
  std::optional<bool> truncate_left;
  bool pad_left = false;
  bool split_special = false;
  bool gives_types = true;  // token types are among the model's inputs
  std::int64_t model_max_length = 0;
  // Whether added_tokens_decoder is there: added_tokens.json, special_tokens_map.json and the added
  // tokens of tokenizer.json count without it only.
  bool has_decoder = false;
  std::map<std::int32_t, AddedToken> added;
  std::string added_place;  // where these stand, for messages
  // Those that have a token, in the order in which ones that are new get their ids.
  std::vector<std::pair<std::string, AddedToken>> roles;
  std::vector<AddedToken> extra;
  std::string other_settings;  // JSON
  std::vector<std::string> notes;
};
struct TokenizerFiles;
ConfigTokenizer parse_config(const TokenizerFiles& files);

}  // namespace hone
