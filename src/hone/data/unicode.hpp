// The few Unicode operations the BERT tokenizer needs, with the classes of its reference.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hone::unicode {

// Dropped by clean_text: NUL, U+FFFD, controls other than tab and line ends, formats, private use.
bool is_removed(char32_t c);
// White space; tab and line ends are.
bool is_space(char32_t c);
// The CJK ideograph blocks that handle_chinese_chars puts spaces around.
bool is_chinese(char32_t c);
// A non-spacing mark, which strip_accents drops.
bool is_mark(char32_t c);
bool is_punctuation(char32_t c);
// What \w of a Unicode regular expression matches: letters, marks, decimal digits, connectors.
bool is_word_character(char32_t c);
// Canonical combining class; 0 for a character that starts a new sequence of marks.
int combining_class(char32_t c);

// Appends the full canonical decomposition of one character, its marks not yet ordered among
// others.
void append_decomposition(char32_t c, std::u32string& out);
// Puts each run of marks into canonical order (stable by combining class).
void order_marks(std::u32string& text);
// Appends the lower-case mapping of one character without looking at its neighbours.
void append_lowercase(char32_t c, std::u32string& out);

// Decodes the character at `position` and moves past it. The text must be valid UTF-8.
char32_t decode(std::string_view text, std::size_t& position);
// Writes the UTF-8 form (at most 4 bytes) and returns its length.
int encode(char32_t c, char* out);

}  // namespace hone::unicode
