// Small text helpers shared by every layer.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hone {

// The candidate with the smallest edit distance, or "" when none is close.
std::string nearest(std::string_view word, std::span<const std::string> candidates);
// Up to four names, the rest counted: "a, b, c, d and 3 more".
std::string list_some(std::span<const std::string> names);
// "did you mean 'x'?" or, when nothing is close, "known: a, b, c" (at most twelve).
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

std::vector<std::string> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);
// A name from a file, fit for a message: control characters and broken UTF-8 become '?', and what
// is longer than `limit` bytes is cut short with "...".
std::string printable(std::string_view text, std::size_t limit = 100);
// Returns the byte offset of the first byte that is not valid UTF-8, or npos.
std::size_t find_invalid_utf8(std::string_view text);

}  // namespace hone
