// Tables of separated values (CSV, TSV) with a header line.
#pragma once

#include <filesystem>
#include <string>

#include "hone/data/source.hpp"

namespace hone {

// Reads the text and label columns. Fields may be quoted as in RFC 4180 when `quotes` is set: a
// field that starts with '"' ends with one, holds separators and line ends, and doubles its own
// quotes. A byte order mark is skipped, so are lines without any character. Throws
// Error(bad_format) with line and column (in bytes) for a broken quote, a row with another number
// of fields than the header, a column that is missing or named twice.
LabelledRows read_delimited(const std::filesystem::path& path, char separator, bool quotes,
                            const std::string& text_column, const std::string& label_column);

}  // namespace hone
