#include <numeric>

#include <fmt/format.h>

#include "hone/data/rows.hpp"

namespace hone {

std::string Rows::place(std::size_t row, const std::string& column) const {
  return fmt::format("{}: line {}: column '{}'", path.string(), lines[row], column);
}

std::vector<std::string_view> split_lines(std::string_view text) {
  const char end = text.find('\n') == std::string_view::npos ? '\r' : '\n';
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t at = std::min(text.find(end), text.size());
    std::string_view line = text.substr(0, at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(at + 1, text.size()));
  }
  return lines;
}

Rows read_plain_rows(std::string_view text, const std::filesystem::path& path) {
  const std::vector<std::string_view> lines = split_lines(text);
  Rows rows{path, {}, {lines.begin(), lines.end()}, {}, {}, {}};
  rows.lines.resize(lines.size());
  std::iota(rows.lines.begin(), rows.lines.end(), std::int64_t{1});
  return rows;
}

}  // namespace hone
