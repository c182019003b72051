#include "hone/data/tokenizer_added.hpp"

#include "hone/data/tokenizer.hpp"
#include "hone/data/unicode.hpp"

namespace hone {
namespace {

bool continues(char byte) { return (static_cast<unsigned char>(byte) & 0xc0u) == 0x80u; }

bool word_character_before(std::string_view text, std::size_t position) {
  if (position == 0) return false;
  do --position;
  while (continues(text[position]));
  return unicode::is_word_character(unicode::decode(text, position));
}

bool word_character_at(std::string_view text, std::size_t position) {
  return position < text.size() && unicode::is_word_character(unicode::decode(text, position));
}

std::size_t skip_space_left(std::string_view text, std::size_t position, std::size_t stop) {
  while (position > stop) {
    std::size_t begin = position;
    do --begin;
    while (begin > stop && continues(text[begin]));
    std::size_t cursor = begin;
    if (!unicode::is_space(unicode::decode(text, cursor))) break;
    position = begin;
  }
  return position;
}

std::size_t skip_space_right(std::string_view text, std::size_t position) {
  while (position < text.size()) {
    std::size_t cursor = position;
    if (!unicode::is_space(unicode::decode(text, cursor))) break;
    position = cursor;
  }
  return position;
}

}  // namespace

void AddedTokenTable::add(const AddedToken& token, std::string pattern, bool passed_over) {
  const int first = static_cast<unsigned char>(pattern[0]);
  only_first_ = !has_any_ || only_first_ == first ? first : -1;
  has_any_ = true;
  std::vector<Pattern>& list = patterns_[static_cast<std::size_t>(first)];
  const auto place = std::find_if(list.begin(), list.end(), [&](const Pattern& other) {
    return other.content.size() < pattern.size();
  });
  list.insert(place, {std::move(pattern), token.id, token.single_word, token.strip_left,
                      token.strip_right, passed_over});
}

const AddedTokenTable::Pattern* AddedTokenTable::find(std::string_view text,
                                                      std::size_t& from) const {
  for (; from < text.size(); ++from) {
    if (only_first_ >= 0) {
      from = text.find(static_cast<char>(only_first_), from);
      if (from == std::string_view::npos) return nullptr;
    }
    for (const Pattern& pattern : patterns_[static_cast<unsigned char>(text[from])])
      if (text.substr(from).starts_with(pattern.content)) return &pattern;
  }
  return nullptr;
}

bool AddedTokenTable::next(std::string_view text, std::size_t done, Match& match) const {
  for (std::size_t begin = match.search;; begin = match.search) {
    const Pattern* pattern = find(text, begin);
    if (pattern == nullptr) return false;
    std::size_t end = begin + pattern->content.size();
    match.search = end;
    if (pattern->passed_over) continue;
    if (pattern->single_word &&
        (word_character_before(text, begin) || word_character_at(text, end)))
      continue;
    if (pattern->strip_left) begin = skip_space_left(text, begin, done);
    if (pattern->strip_right) end = skip_space_right(text, end);
    match.begin = std::max(begin, done);
    match.end = std::max(end, done);
    match.id = pattern->id;
    return true;
  }
}

}  // namespace hone
