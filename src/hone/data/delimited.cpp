#include "hone/data/delimited.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/text.hpp"

namespace hone {
namespace {

class RowReader {
public:
  RowReader(std::string_view text, const std::filesystem::path& path, char separator, bool quotes)
      : text_(text), path_(path), separator_(separator), quotes_(quotes) {
    if (text_.starts_with("\xEF\xBB\xBF")) position_ = line_begin_ = 3;
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
                "write a quote inside a quoted field twice, or read the file with quotes=false");
  }
  // Length of the line end at the cursor, or 0.
  std::size_t end_of_line() const {
    if (text_[position_] == '\n') return 1;
    return text_.substr(position_).starts_with("\r\n") ? 2 : 0;
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
      if (c == '\n') {
        ++line_;
        line_begin_ = position_;
      }
      field += c;
    }
    if (position_ < text_.size() && text_[position_] != separator_ && end_of_line() == 0)
      fail(line_, position_ - line_begin_ + 1, "a character follows the closing quote");
    return field;
  }

  std::string_view text_;
  const std::filesystem::path& path_;
  char separator_;
  bool quotes_;
  std::size_t position_ = 0;
  std::size_t line_begin_ = 0;
  std::int64_t line_ = 1;
};

std::size_t find_column(const std::vector<std::string>& header, const std::string& name,
                        const char* role, const std::filesystem::path& path) {
  const auto found = std::find(header.begin(), header.end(), name);
  const auto holds_return = [](const std::string& column) {
    return column.find('\r') != std::string::npos;
  };
  if (found == header.end() && std::any_of(header.begin(), header.end(), holds_return))
    throw Error(ErrorCode::bad_format,
                path.string() + ": line 1: a line ends with a carriage return alone",
                "end lines with a line feed");
  if (found == header.end())
    throw Error(
        ErrorCode::not_found, fmt::format("{}: line 1: no column '{}'", path.string(), name),
        fmt::format("name it with the option {}=COLUMN; {}", role, did_you_mean(name, header)));
  if (std::find(found + 1, header.end(), name) != header.end())
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: line 1: two columns are named '{}'", path.string(), name),
                "rename one of them");
  return static_cast<std::size_t>(found - header.begin());
}

}  // namespace

LabelledRows read_delimited(const std::filesystem::path& path, char separator, bool quotes,
                            const std::string& text_column, const std::string& label_column) {
  const MappedFile file = map_file(path);
  const std::string_view text(reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size());
  RowReader reader(text, path, separator, quotes);
  std::vector<std::string> fields;
  std::int64_t line = 0;
  if (!reader.next(fields, line))
    throw Error(ErrorCode::bad_format,
                path.string() + ": is empty; expected a line of column names");
  const std::vector<std::string> header = fields;
  const std::size_t text_at = find_column(header, text_column, "text", path);
  const std::size_t label_at = find_column(header, label_column, "label", path);
  LabelledRows rows{path, text_column, label_column, {}, {}, {}};
  while (reader.next(fields, line)) {
    if (fields.size() != header.size())
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: line {}: {} fields, but the header names {}", path.string(),
                              line, fields.size(), header.size()),
                  "quote fields that hold the separator");
    rows.texts.push_back(std::move(fields[text_at]));
    rows.labels.emplace_back(trim(fields[label_at]));
    rows.lines.push_back(line);
  }
  return rows;
}

}  // namespace hone
