// Tables for terminals: columns aligned by what is seen (wide and combining characters count as the
// terminal shows them), text cut with an ellipsis, control characters never passed through.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hone {

enum class Align { left, right };
enum class TextStyle { unicode, ascii };

// Columns that UTF-8 text takes on a terminal; a control or broken byte counts as one.
std::size_t display_width(std::string_view text);
// The text with control characters and broken bytes replaced, safe to print. In ascii style,
// characters outside ASCII are replaced by the nearest ASCII ones, or by question marks.
std::string terminal_text(std::string_view text, TextStyle style = TextStyle::unicode);
// A text of data on one line, so that nothing in it is lost: line ends, tabs and other control
// characters as \n, \t, \x1b, \u202e.
std::string visible_text(std::string_view text);
// The printable text cut to at most `width` columns; a cut is marked by an ellipsis.
std::string cut_to_width(std::string_view text, std::size_t width,
                         TextStyle style = TextStyle::unicode);

struct TableColumn {
  std::string title;
  Align align = Align::left;
};

class TerminalTable {
public:
  explicit TerminalTable(std::vector<TableColumn> columns) : columns_(std::move(columns)) {}
  // A row may be shorter than the columns, never longer (Error(internal)).
  void add_row(std::vector<std::string> cells);
  // A horizontal line between the rows before and after.
  void add_rule();
  // Lines ended by '\n'. When the table is wider than `width` columns (0: no limit), the widest
  // left-aligned columns are cut first.
  std::string render(TextStyle style = TextStyle::unicode, std::size_t width = 0) const;
  // The same, but what does not fit goes on in the next line instead of being cut: broken at a
  // space, a comma or a slash where there is one, else anywhere.
  std::string render_folded(TextStyle style, std::size_t width) const;

private:
  std::string draw(TextStyle style, std::size_t width, bool fold) const;
  std::vector<std::size_t> column_widths(TextStyle style, std::size_t width) const;

  std::vector<TableColumn> columns_;
  std::vector<std::vector<std::string>> rows_;  // an empty row is a rule
};

}  // namespace hone
