// What the dataset kinds share: files of rows, checks, fingerprints.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "hone/data/dataset.hpp"
#include "hone/data/rows.hpp"

namespace hone {

// The columns that the options name: text, text_pair, and label where labels are read. Throws
// Error(invalid_argument) when one name is given twice.
Columns columns_of(const Options& options, LabelUse use);
// The split of a file kind: `read` gives the rows of one file. Test without a file of its own is an
// Error(invalid_argument).
TextData load_rows(const std::string& location, const std::string& split, const Options& options,
                   LabelUse use, ReadRows read);
std::string fingerprint_rows(const std::string& location, const std::string& split,
                             const Options& options);
// Leaves rows with an empty text or second text out when `skip` is set, else throws
// Error(bad_format) naming the first; returns how many.
std::int64_t drop_empty_rows(Rows& rows, bool skip);
// The options all file kinds share: text, text_pair, label, encoding, skip_empty, test.
std::vector<OptionSpec> row_options();
// The same with separator and quotes, and the reader of files of separated values.
std::vector<OptionSpec> delimited_options(const char* separator);
Rows read_delimited_file(const std::filesystem::path& path, const Options& options,
                         const Columns& columns);
// The reader of files of JSON objects.
Rows read_json_file(const std::filesystem::path& path, const Options& options,
                    const Columns& columns);
// Whether the option test names a file.
bool has_test_file(const Options& options);

// Throws Error(bad_format) when a text is not UTF-8 or holds nothing but white space.
void check_text(std::string_view text, const std::string& place);
// Throws Error(invalid_argument) for another split than "train" or "test".
void check_split_name(const std::string& split);
// Throws Error(invalid_argument) when the part after ':' is missing.
void require_location(const std::string& location, const std::string& kind);

// Changes when a file does: the hash of a file up to 16 MB, of a larger one its size, time of
// change and both ends. Throws Error(not_found).
std::string file_fingerprint(const std::filesystem::path& path);
// Size and time of change; throws Error(io) when the file cannot be asked.
std::string file_stamp(const std::filesystem::path& path);

}  // namespace hone
