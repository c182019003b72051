#include "hone/report/terminal_table.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <utf8proc.h>

#include "hone/core/error.hpp"

namespace hone {
namespace {

constexpr std::size_t gap = 2;
constexpr std::size_t least_column = 6;

struct Character {
  std::string_view bytes;
  int code;           // -1: a broken byte or a control character
  std::size_t width;  // columns
};

Character next_character(std::string_view text) {
  utf8proc_int32_t code = -1;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const utf8proc_ssize_t length =
      utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(text.size()), &code);
  if (length <= 0) return {text.substr(0, 1), -1, 1};
  const auto whole = text.substr(0, static_cast<std::size_t>(length));
  const utf8proc_category_t category = utf8proc_category(code);
  // Format characters include the bidirectional overrides, which reorder what a reader sees.
  const bool control = category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_ZL ||
                       category == UTF8PROC_CATEGORY_ZP || (code >= 0x202a && code <= 0x202e) ||
                       (code >= 0x2066 && code <= 0x2069);
  if (control) return {whole, -1, 1};
  return {whole, code, static_cast<std::size_t>(std::max(0, utf8proc_charwidth(code)))};
}

std::optional<std::string_view> ascii_twin(int code) {
  switch (code) {
    case 0xb5:
    case 0x3bc: return "u";
    case 0xd7: return "x";
    case 0x2013:
    case 0x2014:
    case 0x2212:
    case 0x2500: return "-";
    case 0x2026: return "~";
    case 0xa0:
    case 0x202f: return " ";
    case 0x2018:
    case 0x2019: return "'";
    case 0x201c:
    case 0x201d: return "\"";
    default: return std::nullopt;
  }
}

// Appends one character in the style; returns the columns it takes.
std::size_t append(std::string& out, const Character& character, TextStyle style) {
  if (character.code < 0) {
    out += style == TextStyle::ascii ? "?" : "\uFFFD";
    return 1;
  }
  if (style == TextStyle::unicode || character.code < 0x80) {
    out += character.bytes;
    return character.width;
  }
  if (const auto twin = ascii_twin(character.code)) {
    out += *twin;
    return twin->size();
  }
  out.append(character.width, '?');
  return character.width;
}

std::string pad(std::string text, std::size_t width, Align align) {
  const std::size_t spaces = width - std::min(width, display_width(text));
  return align == Align::right ? std::string(spaces, ' ') + text
                               : std::move(text) + std::string(spaces, ' ');
}

std::string without_trailing_spaces(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const Character character = next_character(text);
    width += character.width;
    text.remove_prefix(character.bytes.size());
  }
  return width;
}

std::string terminal_text(std::string_view text, TextStyle style) {
  std::string out;
  while (!text.empty()) {
    const Character character = next_character(text);
    append(out, character, style);
    text.remove_prefix(character.bytes.size());
  }
  return out;
}

std::string visible_text(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Character character = next_character(text);
    text.remove_prefix(character.bytes.size());
    const auto first = static_cast<unsigned char>(character.bytes[0]);
    if (character.code >= 0) {
      out += character.bytes;
    } else if (first == '\n' || first == '\t' || first == '\r') {
      out += first == '\n' ? "\\n" : first == '\t' ? "\\t" : "\\r";
    } else if (character.bytes.size() == 1) {
      out += fmt::format("\\x{:02x}", first);
    } else {
      utf8proc_int32_t code = 0;
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(character.bytes.data()),
                       static_cast<utf8proc_ssize_t>(character.bytes.size()), &code);
      out += fmt::format("\\u{:04x}", code);
    }
  }
  return out;
}

std::string cut_to_width(std::string_view text, std::size_t width, TextStyle style) {
  const std::string whole = terminal_text(text, style);
  if (display_width(whole) <= width) return whole;
  if (width == 0) return "";
  std::string out;
  std::size_t used = 0;
  for (std::string_view rest = whole; !rest.empty();) {
    const Character character = next_character(rest);
    if (used + character.width > width - 1) break;
    used += append(out, character, style);
    rest.remove_prefix(character.bytes.size());
  }
  return out + (style == TextStyle::ascii ? "~" : "…");
}

namespace {

// The text as lines of at most `width` columns.
std::vector<std::string> fold_to_width(std::string_view text, std::size_t width, TextStyle style) {
  std::vector<std::string> lines{""};
  std::size_t used = 0;
  std::size_t end = 0;  // of the part of the line that may be kept when it is broken; 0: none
  const std::string whole = terminal_text(text, style);
  for (std::string_view rest = whole; !rest.empty();) {
    const Character character = next_character(rest);
    if (used > 0 && used + character.width > width) {
      std::string& full = lines.back();
      std::string carried = end > 0 ? full.substr(end) : "";
      if (end > 0) full.erase(end);
      full = without_trailing_spaces(std::move(full));
      used = display_width(carried);
      lines.push_back(std::move(carried));
      end = 0;
    }
    used += append(lines.back(), character, style);
    if (character.bytes == " " || character.bytes == "," || character.bytes == "/")
      end = lines.back().size();
    rest.remove_prefix(character.bytes.size());
  }
  return lines;
}

}  // namespace

void TerminalTable::add_row(std::vector<std::string> cells) {
  if (cells.size() > columns_.size())
    throw Error(ErrorCode::internal, "a table row has more cells than the table has columns");
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

void TerminalTable::add_rule() { rows_.emplace_back(); }

std::vector<std::size_t> TerminalTable::column_widths(TextStyle style, std::size_t width) const {
  std::vector<std::size_t> widths;
  std::size_t total = columns_.empty() ? 0 : gap * (columns_.size() - 1);
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    std::size_t widest = display_width(terminal_text(columns_[c].title, style));
    for (const auto& row : rows_)
      if (!row.empty()) widest = std::max(widest, display_width(terminal_text(row[c], style)));
    widths.push_back(widest);
    total += widest;
  }
  while (width != 0 && total > width) {
    // Text gives way before numbers: a cut number says something else.
    std::optional<std::size_t> widest;
    for (std::size_t c = 0; c < widths.size(); ++c)
      if (columns_[c].align == Align::left && widths[c] > least_column &&
          (!widest || widths[c] > widths[*widest]))
        widest = c;
    if (!widest) break;
    --widths[*widest];
    --total;
  }
  return widths;
}

std::string TerminalTable::render(TextStyle style, std::size_t width) const {
  return draw(style, width, false);
}

std::string TerminalTable::render_folded(TextStyle style, std::size_t width) const {
  return draw(style, width, true);
}

std::string TerminalTable::draw(TextStyle style, std::size_t width, bool fold) const {
  const std::vector<std::size_t> widths = column_widths(style, width);
  std::size_t total = columns_.empty() ? 0 : gap * (columns_.size() - 1);
  for (const std::size_t w : widths) total += w;
  std::string rule;
  for (std::size_t i = 0; i < total; ++i) rule += style == TextStyle::ascii ? "-" : "─";

  const auto line = [&](const auto& cell_of) {
    std::string text;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      if (c != 0) text.append(gap, ' ');
      text += pad(cut_to_width(cell_of(c), widths[c], style), widths[c], columns_[c].align);
    }
    return without_trailing_spaces(std::move(text)) + "\n";
  };
  const auto folded = [&](const std::vector<std::string>& row) {
    std::vector<std::vector<std::string>> lines;
    std::size_t most = 1;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      lines.push_back(fold_to_width(row[c], widths[c], style));
      most = std::max(most, lines.back().size());
    }
    std::string text;
    for (std::size_t i = 0; i < most; ++i)
      text += line([&](std::size_t c) { return i < lines[c].size() ? lines[c][i] : ""; });
    return text;
  };
  std::string out;
  const bool titled = std::any_of(columns_.begin(), columns_.end(),
                                  [](const TableColumn& column) { return !column.title.empty(); });
  if (titled) {
    out += line([&](std::size_t c) -> const std::string& { return columns_[c].title; });
    out += rule + "\n";
  }
  for (const auto& row : rows_) {
    if (row.empty())
      out += rule + "\n";
    else
      out += fold ? folded(row) : line([&](std::size_t c) -> const std::string& { return row[c]; });
  }
  return out;
}

}  // namespace hone
