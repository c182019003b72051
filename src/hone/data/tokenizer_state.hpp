// What a loaded tokenizer holds besides its definition, and the steps from files to a definition
// and back. Internal to the tokenizer's sources.
#pragma once

#include <map>
#include <mutex>
#include <optional>

#include "hone/data/tokenizer.hpp"
#include "hone/data/tokenizer_added.hpp"

namespace hone {

// What the ASCII character does to the word that is being read.
enum class CharacterKind : std::uint8_t { word, space, punctuation, removed, other };
// Never `other`; `removed` only with clean_text.
CharacterKind kind_of(char32_t c, bool clean_text);

// By byte: the kind (bytes above ASCII are `other`) and the lower-case form.
struct CharacterTable {
  CharacterTable(bool clean_text, bool lowercase);
  std::array<CharacterKind, 256> kinds{};
  std::array<char, 256> lower{};
};

// The files of a saved tokenizer, by name.
using TokenizerTexts = std::map<std::string, std::string>;

struct Tokenizer::State {
  explicit State(TokenizerDefinition d);

  TokenizerDefinition definition;
  std::int32_t unknown = -1;
  CharacterTable raw;                           // of a text as it is given
  CharacterTable normalized;                    // of one that was normalized before
  std::array<std::int32_t, 128> punctuation{};  // ids as words
  AddedTokenTable added;                        // found in the text as it is given
  AddedTokenTable added_normalized;             // found in normalized text
  // What save() writes, made once.
  mutable std::once_flag texts_made;
  mutable TokenizerTexts texts;
};

// The contents of the files that define a tokenizer. Only the first two hold a vocabulary; of both
// the first counts.
struct TokenizerFiles {
  std::filesystem::path json_path;        // tokenizer.json
  std::filesystem::path vocabulary_path;  // vocab.txt
  std::filesystem::path directory;        // of the others
  std::optional<std::string> json;
  std::optional<std::string> vocabulary;
  std::optional<std::string> config;       // tokenizer_config.json
  std::optional<std::string> added;        // added_tokens.json
  std::optional<std::string> special_map;  // special_tokens_map.json
  std::string model_class;                 // tokenizer_class of config.json
};

// The definition that transformers' AutoTokenizer reads out of these files. Throws Error(bad_format
// | unsupported) naming file and place.
TokenizerDefinition read_definition(const TokenizerFiles& files);

// What the tokens of BERT are called, by role in alphabetical order.
std::vector<std::pair<std::string, std::string>> default_roles();

// The texts of the files that save() writes.
TokenizerTexts saved_texts(const Tokenizer& tokenizer);

// The canonical bytes of a definition, and the way back; throws Error(bad_format) for broken bytes.
// `identity` leaves out what changes no id (the notes, names of roles): the fingerprint is the hash
// of that.
enum class Packed { identity, whole };
std::string pack_definition(const TokenizerDefinition& definition, Packed what = Packed::whole);
TokenizerDefinition unpack_definition(std::string_view bytes);

}  // namespace hone
