#include "hone/data/unicode.hpp"

#include <algorithm>
#include <iterator>

#include <utf8proc.h>

#include "hone/data/unicode_tables.hpp"

namespace hone::unicode {
namespace {

template <std::size_t N>
bool in_ranges(char32_t c, const CodePointRange (&ranges)[N]) {
  const auto after = std::upper_bound(
      std::begin(ranges), std::end(ranges), c,
      [](char32_t value, const CodePointRange& range) { return value < range.first; });
  return after != std::begin(ranges) && c <= std::prev(after)->last;
}

// Lower-case mappings newer than Unicode 15, or longer than the one character utf8proc gives.
struct CaseRange {
  char32_t first;
  char32_t last;
  char32_t lower_of_first;
};
constexpr CaseRange later_lowercase[] = {
    {0x1C89, 0x1C89, 0x1C8A},    {0xA7CB, 0xA7CB, 0x0264}, {0xA7CC, 0xA7CC, 0xA7CD},
    {0xA7CE, 0xA7CE, 0xA7CF},    {0xA7D2, 0xA7D2, 0xA7D3}, {0xA7D4, 0xA7D4, 0xA7D5},
    {0xA7DA, 0xA7DA, 0xA7DB},    {0xA7DC, 0xA7DC, 0x019B}, {0x10D50, 0x10D65, 0x10D70},
    {0x16EA0, 0x16EB8, 0x16EBB},
};

// Characters that got a canonical decomposition after Unicode 9.
constexpr CodePointRange later_decompositions[] = {
    {0x105C9, 0x105C9}, {0x105E4, 0x105E4}, {0x11383, 0x11383}, {0x11385, 0x11385},
    {0x1138E, 0x1138E}, {0x11391, 0x11391}, {0x113C5, 0x113C8}, {0x11938, 0x11938},
    {0x16121, 0x16128}, {0x16D68, 0x16D6A},
};

// Word characters newer than Unicode 15, found by asking the reference about every code point.
constexpr CodePointRange later_word_characters[] = {
    {0x897, 0x897},     {0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},
    {0x105C0, 0x105F3}, {0x10D40, 0x10D65}, {0x10D69, 0x10D6D}, {0x10D6F, 0x10D85},
    {0x10EC2, 0x10EC4}, {0x10EFC, 0x10EFC}, {0x11380, 0x11389}, {0x1138B, 0x1138B},
    {0x1138E, 0x1138E}, {0x11390, 0x113B5}, {0x113B7, 0x113C0}, {0x113C2, 0x113C2},
    {0x113C5, 0x113C5}, {0x113C7, 0x113CA}, {0x113CC, 0x113D3}, {0x113E1, 0x113E2},
    {0x116D0, 0x116E3}, {0x11BC0, 0x11BE0}, {0x11BF0, 0x11BF9}, {0x11F5A, 0x11F5A},
    {0x13460, 0x143FA}, {0x16100, 0x16139}, {0x16D40, 0x16D6C}, {0x16D70, 0x16D79},
    {0x18CFF, 0x18CFF}, {0x1CCF0, 0x1CCF9}, {0x1E5D0, 0x1E5FA}, {0x2EBF0, 0x2EE5D},
};

constexpr CodePointRange space_ranges[] = {
    {0x09, 0x0D},     {0x20, 0x20},     {0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680},
    {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000},
};

constexpr CodePointRange chinese_ranges[] = {
    {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},   {0x20000, 0x2A6DF},
    {0x2A700, 0x2B81F}, {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F},
};

}  // namespace

bool is_removed(char32_t c) {
  if (c < 0x80) return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
  return in_ranges(c, removed_ranges);
}

bool is_space(char32_t c) { return in_ranges(c, space_ranges); }

bool is_chinese(char32_t c) { return c >= 0x3400 && in_ranges(c, chinese_ranges); }

bool is_mark(char32_t c) { return c >= 0x300 && in_ranges(c, mark_ranges); }

bool is_punctuation(char32_t c) {
  if (c < 0x80)
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
  return in_ranges(c, punctuation_ranges);
}

bool is_word_character(char32_t c) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC: return true;
    default: break;
  }
  // Joiners, and the circled and squared letters that count as alphabetic.
  return c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9) ||
         (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
         (c >= 0x1F170 && c <= 0x1F189) || in_ranges(c, later_word_characters);
}

int combining_class(char32_t c) {
  if (c < 0x300 || !(is_mark(c) || in_ranges(c, ordered_ranges))) return 0;
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
}

void append_decomposition(char32_t c, std::u32string& out) {
  if (c < 0xC0 || in_ranges(c, later_decompositions)) {
    out.push_back(c);
    return;
  }
  utf8proc_int32_t buffer[16];
  int boundary = 0;
  const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), buffer, 16,
                                             UTF8PROC_DECOMPOSE, &boundary);
  if (count < 1 || count > 16) {
    out.push_back(c);
    return;
  }
  for (utf8proc_ssize_t i = 0; i < count; ++i) out.push_back(static_cast<char32_t>(buffer[i]));
}

void order_marks(std::u32string& text) {
  std::size_t begin = 0;
  while (begin < text.size()) {
    if (combining_class(text[begin]) == 0) {
      ++begin;
      continue;
    }
    std::size_t end = begin + 1;
    while (end < text.size() && combining_class(text[end]) != 0) ++end;
    std::stable_sort(text.begin() + static_cast<std::ptrdiff_t>(begin),
                     text.begin() + static_cast<std::ptrdiff_t>(end), [](char32_t a, char32_t b) {
                       return combining_class(a) < combining_class(b);
                     });
    begin = end;
  }
}

void append_lowercase(char32_t c, std::u32string& out) {
  if (c == 0x130) {  // capital I with dot above: an i, then the dot as a mark
    out.push_back('i');
    out.push_back(0x307);
    return;
  }
  for (const CaseRange& range : later_lowercase) {
    if (c >= range.first && c <= range.last) {
      out.push_back(range.lower_of_first + (c - range.first));
      return;
    }
  }
  out.push_back(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
}

char32_t decode(std::string_view text, std::size_t& position) {
  const auto byte = [&](std::size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[i]));
  };
  const char32_t lead = byte(position);
  if (lead < 0x80) return position += 1, lead;
  const auto tail = [&](std::size_t i) { return byte(position + i) & 0x3f; };
  char32_t c = 0;
  if (lead < 0xe0) {
    c = (lead & 0x1f) << 6 | tail(1);
    position += 2;
  } else if (lead < 0xf0) {
    c = (lead & 0x0f) << 12 | tail(1) << 6 | tail(2);
    position += 3;
  } else {
    c = (lead & 0x07) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3);
    position += 4;
  }
  return c;
}

int encode(char32_t c, char* out) {
  const auto put = [&](int i, char32_t value) { out[i] = static_cast<char>(value); };
  if (c < 0x80) {
    put(0, c);
    return 1;
  }
  if (c < 0x800) {
    put(0, 0xc0 | c >> 6);
    put(1, 0x80 | (c & 0x3f));
    return 2;
  }
  if (c < 0x10000) {
    put(0, 0xe0 | c >> 12);
    put(1, 0x80 | (c >> 6 & 0x3f));
    put(2, 0x80 | (c & 0x3f));
    return 3;
  }
  put(0, 0xf0 | c >> 18);
  put(1, 0x80 | (c >> 12 & 0x3f));
  put(2, 0x80 | (c >> 6 & 0x3f));
  put(3, 0x80 | (c & 0x3f));
  return 4;
}

}  // namespace hone::unicode
