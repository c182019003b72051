// Rows of texts as a file gives them, before their labels are numbered, and the readers of each
// form.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "hone/data/text_file.hpp"

namespace hone {

// The columns (of JSON: keys) that are read.
struct Columns {
  std::string text = "text";
  std::string pair = {};       // of the second text; "": none
  bool pair_if_there = false;  // `pair` is read where the file has it and is no error where not
  std::string label = {};      // "": labels are not read
};

struct Rows {
  std::filesystem::path path;
  Columns columns;
  std::vector<std::string> texts;
  std::vector<std::string> pairs;   // empty: there is no second text
  std::vector<std::string> labels;  // without white space around; empty: not read
  std::vector<std::int64_t> lines;  // where each row starts

  // "FILE: line 3: column 'text'".
  std::string place(std::size_t row, const std::string& column) const;
};

// Separated values with a header line. Fields may be quoted as in RFC 4180 when `quotes` is set: a
// field that starts with '"' ends with one, holds separators and line ends, and doubles its own
// quotes. Lines end with a line feed, both, or (where the header does) a carriage return; lines
// without any character are skipped. Throws Error(bad_format) with line and column (in bytes) for a
// broken quote, a row with another number of fields than the header, a column that is missing or
// named twice.
Rows read_delimited(std::string_view text, const std::filesystem::path& path, char separator,
                    bool quotes, const Columns& columns);

// One JSON object a line, or an array of objects; where no labels are read, texts in quotes may
// stand for objects. Numbers, booleans and null are labels too (null and null texts are empty).
// Read in parallel. Throws Error(bad_format | not_found) naming the line.
Rows read_json_rows(std::string_view text, const std::filesystem::path& path,
                    const Columns& columns);

// Every line is a text.
Rows read_plain_rows(std::string_view text, const std::filesystem::path& path);

// Lines without their ends: line feeds with or without a carriage return before them, or, in a text
// without any line feed, carriage returns.
std::vector<std::string_view> split_lines(std::string_view text);

}  // namespace hone
