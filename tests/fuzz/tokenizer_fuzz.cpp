// Fuzz target: the bytes are a tokenizer.json, a vocab.txt and texts, one after the other,
// separated by byte 0xFF. Every file either loads or is refused with an Error; texts of a tokenizer
// that loads give ids below its size, the same with and without kept words.
#include <cstdint>
#include <cstdlib>
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

template <typename Parse>
void parse_and_encode(const Parse& parse, std::string_view text) {
  try {
    const hone::Tokenizer tokenizer = hone::Tokenizer::from_definition(parse());
    encode_with(tokenizer, text);
    // The compiled form must lead back to the same tokenizer.
    const std::string packed = hone::pack_definition(tokenizer.definition());
    const auto again = hone::Tokenizer::from_definition(hone::unpack_definition(packed));
    require(again.fingerprint() == tokenizer.fingerprint());
  } catch (const hone::Error&) {
  }
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
  parse_and_encode([&] { return hone::parse_tokenizer_json(file, "tokenizer.json"); }, text);
  parse_and_encode([&] { return hone::parse_vocabulary_text(file, "", "vocab.txt", ""); }, text);
  try {
    hone::unpack_definition(file);
  } catch (const hone::Error&) {
  }
  return 0;
}
