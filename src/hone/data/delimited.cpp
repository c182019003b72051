#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/data/rows.hpp"

namespace hone {
namespace {

std::string name_of(char separator) {
  return separator == '\t' ? "tab" : fmt::format("'{}'", separator);
}

std::string separator_hint(char other) {
  return fmt::format("{} seems to separate its columns: give the option 'data.separator={}'",
                     name_of(other), other == '\t' ? "tab" : std::string(1, other));
}

class RowReader {
public:
  RowReader(std::string_view text, const std::filesystem::path& path, char separator, bool quotes)
      : text_(text), path_(path), separator_(separator), quotes_(quotes) {
    // As the header ends, so do all lines: a carriage return alone may be part of a field
    // elsewhere.
    const std::size_t end = text_.find_first_of("\r\n");
    return_alone_ = end != std::string_view::npos && text_[end] == '\r' &&
                    !text_.substr(end + 1).starts_with('\n');
  }

  // The next row with at least one character; false at the end. `line` is where it starts.
  bool next(std::vector<std::string>& fields, std::int64_t& line) {
    while (position_ < text_.size() && end_of_line() != 0) finish_line();
    if (position_ >= text_.size()) return false;
    line = line_;
    fields.clear();
    while (true) {
      fields.push_back(quotes_ && text_[position_] == '"' ? quoted() : bare());
      if (position_ >= text_.size()) return true;
      if (text_[position_] != separator_) {
        finish_line();
        return true;
      }
      ++position_;
      if (position_ >= text_.size()) {
        fields.emplace_back();
        return true;
      }
    }
  }

private:
  [[noreturn]] void fail(std::int64_t line, std::size_t column, std::string_view what) const {
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: line {}, column {}: {}", path_.string(), line, column, what),
                "write a quote inside a quoted field twice, or read the file with the option "
                "data.quotes=false");
  }
  [[noreturn]] void fail_after_quote() const {
    const char found = text_[position_];
    const std::string place =
        fmt::format("{}: line {}, column {}", path_.string(), line_, position_ - line_begin_ + 1);
    if (found != ',' && found != ';' && found != '\t' && found != '|')
      fail(line_, position_ - line_begin_ + 1, "a character follows the closing quote");
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: {} follows the closing quote, but {} separates", place,
                            name_of(found), name_of(separator_)),
                separator_hint(found));
  }
  // Length of the line end at the cursor, or 0.
  std::size_t end_of_line() const {
    const char c = text_[position_];
    if (c == '\n') return 1;
    if (c != '\r') return 0;
    if (position_ + 1 < text_.size() && text_[position_ + 1] == '\n') return 2;
    return return_alone_ ? 1 : 0;
  }
  void finish_line() {
    position_ += end_of_line();
    ++line_;
    line_begin_ = position_;
  }
  std::string bare() {
    const std::size_t begin = position_;
    while (position_ < text_.size() && text_[position_] != separator_ && end_of_line() == 0)
      ++position_;
    return std::string(text_.substr(begin, position_ - begin));
  }
  std::string quoted() {
    const std::int64_t open_line = line_;
    const std::size_t open_column = position_ - line_begin_ + 1;
    std::string field;
    ++position_;
    while (true) {
      if (position_ >= text_.size()) fail(open_line, open_column, "the quote is never closed");
      const char c = text_[position_++];
      if (c == '"') {
        if (position_ < text_.size() && text_[position_] == '"') {
          field += '"';
          ++position_;
          continue;
        }
        break;
      }
      if (c == '\n' || (return_alone_ && c == '\r')) {
        ++line_;
        line_begin_ = position_;
      }
      field += c;
    }
    if (position_ < text_.size() && text_[position_] != separator_ && end_of_line() == 0)
      fail_after_quote();
    return field;
  }

  std::string_view text_;
  const std::filesystem::path& path_;
  char separator_;
  bool quotes_;
  bool return_alone_ = false;
  std::size_t position_ = 0;
  std::size_t line_begin_ = 0;
  std::int64_t line_ = 1;
};

using Header = std::vector<std::string>;

// Whether the header would hold the column if another character separated it; that character or 0.
char other_separator(const Header& header, const std::string& wanted) {
  if (header.size() != 1) return 0;
  for (const char candidate : {',', ';', '\t', '|'})
    for (const std::string& name : split(header[0], candidate)) {
      std::string_view bare = trim(name);
      if (bare.size() >= 2 && bare.front() == '"' && bare.back() == '"')
        bare = bare.substr(1, bare.size() - 2);
      if (bare == wanted && bare != trim(header[0])) return candidate;
    }
  return 0;
}

std::size_t find_column(const Header& header, const std::string& name, const char* role,
                        char separator, const std::filesystem::path& path) {
  const auto found = std::find(header.begin(), header.end(), name);
  if (found == header.end()) {
    const std::string what = fmt::format("{}: line 1: no column '{}'", path.string(), name);
    if (const char other = other_separator(header, name); other != 0)
      throw Error(
          ErrorCode::not_found,
          fmt::format("{}; the header is one column if {} separates", what, name_of(separator)),
          separator_hint(other));
    throw Error(ErrorCode::not_found, what,
                fmt::format("name it with the option data.{}=COLUMN; {}", role,
                            did_you_mean(name, header)));
  }
  if (std::find(found + 1, header.end(), name) != header.end())
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: line 1: two columns are named '{}'", path.string(), name),
                "rename one of them");
  return static_cast<std::size_t>(found - header.begin());
}

}  // namespace

Rows read_delimited(std::string_view text, const std::filesystem::path& path, char separator,
                    bool quotes, const Columns& columns) {
  RowReader reader(text, path, separator, quotes);
  std::vector<std::string> fields;
  std::int64_t line = 0;
  if (!reader.next(fields, line))
    throw Error(ErrorCode::bad_format,
                path.string() + ": is empty; expected a line of column names");
  Header header;
  for (const std::string& name : fields) header.emplace_back(trim(name));
  Rows rows{path, columns, {}, {}, {}, {}};
  const auto at = [&](const std::string& name, const char* role) {
    return find_column(header, name, role, separator, path);
  };
  const std::size_t text_at = at(columns.text, "text");
  const bool paired = !columns.pair.empty() &&
                      (!columns.pair_if_there ||
                       std::find(header.begin(), header.end(), columns.pair) != header.end());
  const std::size_t pair_at = paired ? at(columns.pair, "text_pair") : 0;
  const bool labelled = !columns.label.empty();
  const std::size_t label_at = labelled ? at(columns.label, "label") : 0;
  if (!paired) rows.columns.pair.clear();
  while (reader.next(fields, line)) {
    if (fields.size() != header.size()) {
      const bool blank = fields.size() == 1 && trim(fields[0]).empty();
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: line {}: {}, but the header names {}", path.string(), line,
                              blank ? "nothing but white space"
                                    : fmt::format("{} field{}", fields.size(),
                                                  fields.size() == 1 ? "" : "s"),
                              header.size()),
                  blank                           ? "remove the line"
                  : fields.size() < header.size() ? "fill in the fields that are missing; where a "
                                                    "field holds a line end, quote it"
                                                  : "quote fields that hold the separator");
    }
    rows.texts.push_back(std::move(fields[text_at]));
    if (paired) rows.pairs.push_back(std::move(fields[pair_at]));
    if (labelled) rows.labels.emplace_back(trim(fields[label_at]));
    rows.lines.push_back(line);
  }
  return rows;
}

}  // namespace hone
