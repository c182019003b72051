// Fuzz target: the bytes are a file and texts, separated by byte 0xFF; the file is read as each of
// those that make a tokenizer, beside sound ones. Every file either loads or is refused with an
// Error; texts of a tokenizer that loads give ids below its size, the same with and without kept
// words; what is saved loads and gives the same ids.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hone/core/error.hpp"
#include "hone/data/tokenizer.hpp"
#include "hone/data/tokenizer_state.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void encode_with(const hone::Tokenizer& tokenizer, std::string_view text) {
  std::vector<std::int32_t> plain;
  std::vector<std::int32_t> kept;
  try {
    tokenizer.encode(text, 0, plain);
    hone::Tokenizer::Encoder encoder(tokenizer);
    encoder.encode(text, 0, kept);
    const std::size_t first = kept.size();
    encoder.encode(text, 0, kept);
    require(kept.size() == 2 * first && plain.size() == first);
  } catch (const hone::Error&) {
    return;  // not UTF-8
  }
  for (std::size_t i = 0; i < plain.size(); ++i) {
    require(plain[i] >= 0 && plain[i] < tokenizer.vocab_size());
    require(plain[i] == kept[i] && plain[i] == kept[i + plain.size()]);
  }
}

hone::TokenizerFiles files_of(const hone::TokenizerTexts& texts) {
  hone::TokenizerFiles files;
  const auto take = [&](const char* name, std::optional<std::string>& content) {
    if (const auto found = texts.find(name); found != texts.end()) content = found->second;
  };
  take("tokenizer.json", files.json);
  take("vocab.txt", files.vocabulary);
  take("tokenizer_config.json", files.config);
  take("added_tokens.json", files.added);
  take("special_tokens_map.json", files.special_map);
  return files;
}

void parse_and_encode(const hone::TokenizerFiles& files, std::string_view text) {
  std::optional<hone::Tokenizer> tokenizer;
  try {
    tokenizer = hone::Tokenizer::from_definition(hone::read_definition(files));
  } catch (const hone::Error&) {
    return;
  }
  encode_with(*tokenizer, text);
  // The compiled form must lead back to the same tokenizer, and so must the saved files.
  const std::string packed = hone::pack_definition(tokenizer->definition());
  const auto again = hone::Tokenizer::from_definition(hone::unpack_definition(packed));
  require(again.fingerprint() == tokenizer->fingerprint());
  const hone::TokenizerFiles saved = files_of(hone::saved_texts(*tokenizer));
  const auto back = hone::Tokenizer::from_definition(hone::read_definition(saved));
  require(back.fingerprint() == tokenizer->fingerprint());
}

const hone::Tokenizer& fixed_tokenizer() {
  static const hone::Tokenizer tokenizer = hone::Tokenizer::from_words(
      std::vector<std::string>{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]",       "a",       "##a",
                               "b",     "##b",   "e",     "i",     "##i",          ".",       "[",
                               "]",     "ab",    "##ab",  "abc",   "\xE4\xB8\xAD", "\xCF\x83"});
  return tokenizer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t border = input.find('\xFF');
  const std::string_view file = input.substr(0, border);
  const std::string_view text = border == std::string_view::npos ? input : input.substr(border + 1);
  encode_with(fixed_tokenizer(), text);
  const hone::TokenizerFiles sound = files_of(hone::saved_texts(fixed_tokenizer()));
  const std::string content(file);
  for (const bool alone : {true, false}) {
    hone::TokenizerFiles files;
    if (!alone) files = sound;
    files.json = content;
    parse_and_encode(files, text);
    files = {};
    if (!alone) files.config = sound.config;
    files.vocabulary = content;
    parse_and_encode(files, text);
  }
  for (auto member : {&hone::TokenizerFiles::config, &hone::TokenizerFiles::added,
                      &hone::TokenizerFiles::special_map})
    for (const bool has_json : {true, false}) {
      hone::TokenizerFiles files;
      (has_json ? files.json : files.vocabulary) = has_json ? sound.json : sound.vocabulary;
      files.*member = content;
      parse_and_encode(files, text);
    }
  try {
    hone::unpack_definition(file);
  } catch (const hone::Error&) {
  }
  return 0;
}
