#include "hone/data/tokenizer_normalizer.hpp"

namespace hone {

CharacterKind kind_of(char32_t c, bool clean_text) {
  if (clean_text && (c == 0 || unicode::is_removed(c))) return CharacterKind::removed;
  if (unicode::is_space(c)) return CharacterKind::space;
  if (unicode::is_punctuation(c)) return CharacterKind::punctuation;
  return CharacterKind::word;
}

CharacterTable::CharacterTable(bool clean_text, bool lowercase) {
  kinds.fill(CharacterKind::other);
  for (std::size_t i = 0; i < lower.size(); ++i) {
    const auto byte = static_cast<char>(i);
    lower[i] = lowercase && byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + 32) : byte;
    if (i < 128) kinds[i] = kind_of(static_cast<char32_t>(i), clean_text);
  }
}

void Normalizer::append(std::string_view text, std::string& out) {
  const auto sink = [&](char32_t c) {
    char bytes[4];
    out.append(bytes, static_cast<std::size_t>(unicode::encode(c, bytes)));
  };
  std::size_t position = 0;
  while (position < text.size()) {
    const auto byte = static_cast<unsigned char>(text[position]);
    switch (table_.kinds[byte]) {
      case CharacterKind::other:
        position = run(text, position, sink, [] { return false; });
        continue;
      case CharacterKind::removed: break;
      case CharacterKind::space: out += definition_.clean_text ? ' ' : text[position]; break;
      default: out += table_.lower[byte]; break;
    }
    ++position;
  }
}

}  // namespace hone
