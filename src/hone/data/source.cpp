#include "hone/data/source.hpp"

#include <algorithm>
#include <cctype>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/text.hpp"

namespace hone {
namespace {

constexpr std::uintmax_t hashed_whole = 16u << 20;
constexpr std::size_t hashed_end = 1u << 16;

bool is_whole_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && text.size() <= 9 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string place_of(const LabelledRows& rows, std::size_t row, const std::string& column) {
  return fmt::format("{}: line {}: column '{}'", rows.path.string(), rows.lines[row], column);
}

[[noreturn]] void fail_one_class(const std::string& source, const std::string& label) {
  throw Error(ErrorCode::bad_format,
              fmt::format("{}: every sample has the label '{}'; expected at least two classes",
                          source, label),
              "add samples of another class");
}

}  // namespace

LabelIndex::LabelIndex(const LabelledRows& train) {
  std::set<std::string, std::less<>> different(train.labels.begin(), train.labels.end());
  for (std::size_t row = 0; row < train.labels.size(); ++row)
    if (train.labels[row].empty())
      throw Error(ErrorCode::bad_format,
                  place_of(train, row, train.label_column) + ": the label is empty",
                  "fill it in or remove the row");
  const bool numbers =
      !different.empty() && std::all_of(different.begin(), different.end(),
                                        [](const auto& s) { return is_whole_number(s); });
  if (!numbers) {
    names_.assign(different.begin(), different.end());
    for (std::size_t i = 0; i < names_.size(); ++i)
      numbers_[names_[i]] = static_cast<std::int32_t>(i);
    return;
  }
  std::set<int> values;
  for (const std::string& label : different) values.insert(std::stoi(label));
  const int count = static_cast<int>(values.size());
  if (count == 1) fail_one_class(train.path.string(), train.labels.front());
  for (std::size_t row = 0; row < train.labels.size(); ++row) {
    const int value = std::stoi(train.labels[row]);
    if (value < 0 || value >= count)
      throw Error(
          ErrorCode::bad_format,
          fmt::format("{}: label {} is out of range: {} different labels must be the numbers "
                      "0 to {}",
                      place_of(train, row, train.label_column), value, count, count - 1),
          "renumber the labels, or write them as names");
  }
  for (int i = 0; i < count; ++i) names_.push_back(std::to_string(i));
  for (const std::string& label : different) numbers_[label] = std::stoi(label);
}

std::int32_t LabelIndex::at(const LabelledRows& rows, std::size_t row) const {
  const auto found = numbers_.find(rows.labels[row]);
  if (found != numbers_.end()) return found->second;
  throw Error(ErrorCode::bad_format,
              fmt::format("{}: label '{}' does not occur in the train split",
                          place_of(rows, row, rows.label_column), rows.labels[row]),
              did_you_mean(rows.labels[row], names_));
}

TextData label_rows(LabelledRows rows, const LabelIndex& index) {
  TextData data;
  data.source = rows.path.string();
  data.label_names = index.names();
  data.labels.reserve(rows.texts.size());
  for (std::size_t row = 0; row < rows.texts.size(); ++row) {
    check_text(rows.texts[row], place_of(rows, row, rows.text_column));
    data.labels.push_back(index.at(rows, row));
  }
  data.texts = std::move(rows.texts);
  return data;
}

TextData load_rows(const std::string& location, const std::string& split, const Options& options,
                   LabelledRows (*read)(const std::filesystem::path& path,
                                        const Options& options)) {
  check_split_name(split);
  if (const std::string text = options.text_or("text", "text");
      text == options.text_or("label", "label"))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: the text and the label are both taken from '{}'", location, text),
                "give the options text and label different names");
  LabelledRows train = read(location, options);
  const LabelIndex index(train);
  if (split == "train") {
    TextData data = label_rows(std::move(train), index);
    check_split(data);
    return data;
  }
  const std::string test = options.text_or("test", "");
  if (test.empty())
    throw Error(ErrorCode::invalid_argument, location + ": has no test split",
                "name a file with the option test=FILE, or use the split 'train' or 'validation'");
  TextData data = label_rows(read(test, options), index);
  check_split(data);
  return data;
}

std::string fingerprint_rows(const std::string& location, const std::string& split,
                             const Options& options) {
  require_location(location, "csv, tsv or jsonl");
  std::string all = file_fingerprint(location);
  // The labels of a test file are numbered by the train file, so both count.
  if (split == "test" && !options.text_or("test", "").empty())
    all += file_fingerprint(options.text("test"));
  for (const auto& [name, value] : options.values())
    if (name != "test") all += "\n" + name + "=" + to_string(value);
  return sha256(split + "\n" + all);
}

std::vector<OptionSpec> row_options() {
  return {
      {.name = "text", .default_value = "text", .help = "name of the column with the text"},
      {.name = "label", .default_value = "label", .help = "name of the column with the label"},
      {.name = "test",
       .default_value = "",
       .help = "file with the test split, columns named alike"},
  };
}

void check_text(std::string_view text, const std::string& place) {
  if (const std::size_t bad = find_invalid_utf8(text); bad != std::string::npos)
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: the text is not UTF-8 at byte {}", place, bad),
                "convert it to UTF-8, for example with iconv");
  if (trim(text).empty())
    throw Error(ErrorCode::bad_format, place + ": the text is empty", "remove it from the data");
}

void check_split(const TextData& data) {
  if (data.texts.empty())
    throw Error(ErrorCode::bad_format, data.source + ": holds no samples", "check the file");
  const std::set<std::int32_t> present(data.labels.begin(), data.labels.end());
  if (present.size() < 2)
    fail_one_class(data.source, data.label_names[static_cast<std::size_t>(*present.begin())]);
}

void check_split_name(const std::string& split) {
  const std::vector<std::string> known{"train", "test"};
  if (std::find(known.begin(), known.end(), split) == known.end())
    throw Error(ErrorCode::invalid_argument, fmt::format("unknown split '{}'", split),
                did_you_mean(split, known));
}

void require_location(const std::string& location, const std::string& kind) {
  if (location.empty())
    throw Error(ErrorCode::invalid_argument, fmt::format("the data {} needs a path", kind),
                "write it after a colon, KIND:PATH");
}

std::string file_fingerprint(const std::filesystem::path& path) {
  const MappedFile file = map_file(path);
  const auto bytes = file.bytes;
  if (bytes.size() <= hashed_whole) return sha256(bytes);
  return sha256(fmt::format("{} {} {}", file_stamp(path), sha256(bytes.first(hashed_end)),
                            sha256(bytes.last(hashed_end))));
}

std::string file_stamp(const std::filesystem::path& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (!error) {
    const auto changed = std::filesystem::last_write_time(path, error).time_since_epoch().count();
    if (!error) return fmt::format("{} {}", size, changed);
  }
  throw Error(ErrorCode::io, fmt::format("{}: cannot stat: {}", path.string(), error.message()));
}

}  // namespace hone
