// What a loaded tokenizer holds besides its definition. Internal to the tokenizer's sources.
#pragma once

#include "hone/data/tokenizer.hpp"

namespace hone {

// What the ASCII character does to the word that is being read.
enum class CharacterKind : std::uint8_t { word, space, punctuation, removed, other };
// Never `other`; `removed` only with clean_text.
CharacterKind kind_of(char32_t c, bool clean_text);

struct Tokenizer::State {
  TokenizerDefinition definition;
  std::int32_t unknown = -1;
  // By byte: the kind (bytes above ASCII are `other`), the lower-case form, the id as a word.
  std::array<CharacterKind, 256> kinds{};
  std::array<char, 256> lower{};
  std::array<std::int32_t, 128> punctuation{};
  // Added tokens by first byte, longest first: the leftmost longest match wins.
  std::array<std::vector<AddedToken>, 256> added;
  // The only first byte of all added tokens, or -1.
  int added_first = -1;
  bool has_added = false;
};

// The canonical bytes of a definition, and the way back; throws Error(bad_format) for broken bytes.
// They are what the fingerprint is the hash of and what the compiled form holds.
std::string pack_definition(const TokenizerDefinition& definition);
TokenizerDefinition unpack_definition(std::string_view bytes);

// Reads the definition from a tokenizer.json, or from a vocab.txt with an optional config.
TokenizerDefinition parse_tokenizer_json(std::string_view text, const std::filesystem::path& path);
TokenizerDefinition parse_vocabulary_text(std::string_view text, std::string_view config,
                                          const std::filesystem::path& path,
                                          const std::filesystem::path& config_path);

}  // namespace hone
