#include "hone/data/source.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/text.hpp"
#include "hone/core/usage_error.hpp"
#include "hone/data/labels.hpp"

namespace hone {
namespace {

constexpr std::uintmax_t hashed_whole = 16u << 20;
constexpr std::size_t hashed_end = 1u << 16;

constexpr int rows_version = 2;

// Where a column's cell is empty: an error, or a row that is left out.
bool is_empty_row(const Rows& rows, std::size_t row, bool skip) {
  const bool without_text = trim(rows.texts[row]).empty();
  const bool without_pair = !rows.pairs.empty() && trim(rows.pairs[row]).empty();
  if (!without_text && !without_pair) return false;
  if (skip) return true;
  throw Error(
      ErrorCode::bad_format,
      rows.place(row, without_text ? rows.columns.text : rows.columns.pair) + ": the text is empty",
      "remove the row, or skip such rows with the option data.skip_empty=true");
}

}  // namespace

std::int64_t drop_empty_rows(Rows& rows, bool skip) {
  std::size_t kept = 0;
  const auto keep = [&](auto& column, std::size_t row) {
    if (!column.empty() && kept != row) column[kept] = std::move(column[row]);
  };
  const std::size_t all = rows.texts.size();
  for (std::size_t row = 0; row < all; ++row) {
    if (is_empty_row(rows, row, skip)) continue;
    keep(rows.texts, row);
    keep(rows.pairs, row);
    keep(rows.labels, row);
    keep(rows.lines, row);
    ++kept;
  }
  const auto cut = [&](auto& column) {
    if (!column.empty()) column.resize(kept);
  };
  cut(rows.texts);
  cut(rows.pairs);
  cut(rows.labels);
  cut(rows.lines);
  return static_cast<std::int64_t>(all - kept);
}

Columns columns_of(const Options& options, LabelUse use) {
  Columns columns{.text = options.text_or("text", "text")};
  const std::string pair = options.text_or("text_pair", "auto");
  columns.pair_if_there = pair == "auto";
  if (pair != "none") columns.pair = columns.pair_if_there ? "text_pair" : pair;
  if (use != LabelUse::ignored) columns.label = options.text_or("label", "label");
  if (columns.pair_if_there && (columns.pair == columns.text || columns.pair == columns.label))
    columns.pair.clear();
  const auto refuse_same = [](const std::string& a, const std::string& b, const char* names) {
    if (a == b && !a.empty())
      throw UsageError(fmt::format("the options data.{} both name the column '{}'", names, a),
                       "give them different names");
  };
  refuse_same(columns.text, columns.label, "text and data.label");
  refuse_same(columns.text, columns.pair, "text and data.text_pair");
  refuse_same(columns.pair, columns.label, "text_pair and data.label");
  return columns;
}

TextData load_rows(const std::string& location, const std::string& split, const Options& options,
                   LabelUse use, ReadRows read) {
  check_split_name(split);
  if (split == "test" && !has_test_file(options))
    throw Error(
        ErrorCode::invalid_argument, location + ": has no test split",
        "name a file with the option data.test=FILE, or leave the split out for the whole file");
  Rows rows =
      read(split == "test" ? options.text("test") : location, options, columns_of(options, use));
  TextData data;
  data.source = rows.path.string();
  data.skipped = drop_empty_rows(rows, options.boolean_or("skip_empty", false));
  if (rows.texts.empty())
    throw Error(ErrorCode::bad_format, data.source + ": holds no samples", "check the file");
  if (use == LabelUse::classes)
    number_classes(rows, data);
  else if (use == LabelUse::values)
    read_values(rows, data);
  else
    data.labels.assign(rows.texts.size(), 0);
  data.texts = std::move(rows.texts);
  data.pairs = std::move(rows.pairs);
  data.lines = std::move(rows.lines);
  return data;
}

std::string fingerprint_rows(const std::string& location, const std::string& split,
                             const Options& options) {
  require_location(location, "csv, tsv or jsonl");
  std::string all = fmt::format("rows {}\n", rows_version);
  all +=
      file_fingerprint(split == "test" && has_test_file(options) ? options.text("test") : location);
  for (const auto& [name, value] : options.values())
    if (name != "test") all += "\n" + name + "=" + to_string(value);
  return sha256(split + "\n" + all);
}

std::vector<OptionSpec> row_options() {
  return {
      {.name = "text", .default_value = "text", .help = "name of the column with the text"},
      {.name = "text_pair",
       .default_value = "auto",
       .help = "name of the column with a second text; auto: text_pair where there is one; none"},
      {.name = "label", .default_value = "label", .help = "name of the column with the label"},
      encoding_option(),
      {.name = "skip_empty",
       .type = OptionType::boolean,
       .default_value = false,
       .help = "leave out rows with an empty text instead of refusing them"},
      {.name = "test",
       .default_value = "",
       .help = "file with the test split, columns named alike"},
  };
}

std::vector<OptionSpec> delimited_options(const char* separator) {
  std::vector<OptionSpec> options = row_options();
  options.push_back({.name = "separator",
                     .default_value = separator,
                     .help = "the character between columns, or tab"});
  options.push_back({.name = "quotes",
                     .type = OptionType::boolean,
                     .default_value = true,
                     .help = "whether fields may be quoted as in RFC 4180"});
  return options;
}

Rows read_delimited_file(const std::filesystem::path& path, const Options& options,
                         const Columns& columns) {
  const std::string name = options.text_or("separator", ",");
  const char separator = name == "tab" || name == "\\t" ? '\t' : name.empty() ? '\0' : name[0];
  if ((name.size() != 1 && separator != '\t') || (separator < ' ' && separator != '\t') ||
      separator == '"')
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: separator '{}': expected one ASCII character or tab",
                            path.string(), printable(name)),
                "for example 'data.separator=;' or data.separator=tab");
  const TextFile file = read_text_file(path, options.text_or("encoding", "auto"));
  return read_delimited(file.text, path, separator, options.boolean_or("quotes", true), columns);
}

Rows read_json_file(const std::filesystem::path& path, const Options& options,
                    const Columns& columns) {
  const TextFile file = read_text_file(path, options.text_or("encoding", "auto"));
  return read_json_rows(file.text, path, columns);
}

bool has_test_file(const Options& options) { return !options.text_or("test", "").empty(); }

void check_text(std::string_view text, const std::string& place) {
  if (const std::size_t bad = find_invalid_utf8(text); bad != std::string::npos)
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: the text is not UTF-8 at byte {}", place, bad),
                "convert it to UTF-8, for example with iconv");
  if (trim(text).empty())
    throw Error(ErrorCode::bad_format, place + ": the text is empty", "remove it from the data");
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
