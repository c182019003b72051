// What the dataset kinds share: rows of text and label, the index of labels, checks, fingerprints.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "hone/data/dataset.hpp"

namespace hone {

// Text and label as a file gives them; `lines` says where each row starts.
struct LabelledRows {
  std::filesystem::path path;
  std::string text_column;
  std::string label_column;
  std::vector<std::string> texts;
  std::vector<std::string> labels;
  std::vector<std::int64_t> lines;
};

// Labels to numbers. Whole numbers stand for themselves and must be 0 to the number of different
// labels less one; anything else is a name, numbered in sorted order.
class LabelIndex {
public:
  // From the train split; throws Error(bad_format) naming line and column.
  explicit LabelIndex(const LabelledRows& train);
  // Throws Error(bad_format) naming the row when its label does not occur in the train split.
  std::int32_t at(const LabelledRows& rows, std::size_t row) const;
  const std::vector<std::string>& names() const { return names_; }

private:
  std::vector<std::string> names_;
  std::map<std::string, std::int32_t, std::less<>> numbers_;
};

// Checks texts and labels and makes a split of them; `index` comes from the train split.
TextData label_rows(LabelledRows rows, const LabelIndex& index);
// The split of a pair of files: `read` gives the rows of one. Test without a file of its own is an
// Error(invalid_argument).
TextData load_rows(const std::string& location, const std::string& split, const Options& options,
                   LabelledRows (*read)(const std::filesystem::path& path, const Options& options));
std::string fingerprint_rows(const std::string& location, const std::string& split,
                             const Options& options);
// The column options all table files share: text, label, test.
std::vector<OptionSpec> row_options();

// Throws Error(bad_format) when a text is not UTF-8 or holds nothing but white space.
void check_text(std::string_view text, const std::string& place);
// Throws Error(bad_format) when there is no sample, or fewer than two classes occur.
void check_split(const TextData& data);
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
