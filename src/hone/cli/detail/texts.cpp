#include "hone/cli/detail/texts.hpp"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <optional>

#include <fmt/format.h>

#include "hone/cli/detail/console.hpp"
#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/core/usage_error.hpp"
#include "hone/data/source.hpp"

namespace hone {
namespace {

// Options of a dataset kind that say something about labels or splits.
constexpr const char* not_for_texts[] = {"label", "test"};

struct Source {
  std::string kind;  // of a data set; "": by content
  std::string path;
};

Source source_of(const std::string& name) {
  const std::size_t colon = name.find(':');
  std::error_code ignored;
  if (colon != std::string::npos && !std::filesystem::exists(name, ignored))
    for (const DatasetKind& kind : dataset_table())
      if (kind.read != nullptr && kind.name == name.substr(0, colon))
        return {kind.name, name.substr(colon + 1)};
  std::filesystem::path path = name;
  for (const char* packed : {".gz", ".zst", ".bz2", ".xz", ".lz4"})
    if (path.extension() == packed) path.replace_extension();
  const std::string end = path.extension().string();
  if (end == ".ndjson") return {"jsonl", name};
  for (const DatasetKind& kind : dataset_table())
    if (kind.read != nullptr && end == "." + kind.name) return {kind.name, name};
  return {end == ".txt" ? "txt" : "", name};
}

// The options of the kind that count here; "" and txt have the encoding alone, or what JSON has.
std::vector<OptionSpec> specs_of(const std::string& kind) {
  if (kind == "txt") return {encoding_option()};
  std::vector<OptionSpec> specs = find_dataset(kind.empty() ? "jsonl" : kind).options;
  std::erase_if(specs, [](const OptionSpec& spec) {
    return std::any_of(std::begin(not_for_texts), std::end(not_for_texts),
                       [&](const char* name) { return spec.name == name; });
  });
  return specs;
}

Options options_of(const Source& source, const TextSettings& data) {
  const std::vector<OptionSpec> specs = specs_of(source.kind);
  Options options;
  for (const auto& [key, value] : data) {
    const auto known = [name = key](const char* other) { return name == other; };
    if (std::any_of(std::begin(not_for_texts), std::end(not_for_texts), known))
      throw UsageError(fmt::format("--set data.{} changes nothing: only texts are read", key),
                       "leave it out");
    const std::string where = fmt::format("texts of '{}'", source.path);
    options.set(key, parse_option(find_option(specs, key, where), value,
                                  fmt::format("{}: --set data.{}", where, key)));
  }
  return options;
}

bool begins_like_json(std::string_view text) {
  const std::string_view begin = trim(text.substr(0, 1 << 12));
  return begin.starts_with('{') || begin.starts_with('[');
}

Rows read_rows(const Source& source, const Options& options) {
  const Columns columns = columns_of(options, LabelUse::ignored);
  if (!source.kind.empty() && source.kind != "txt") {
    const DatasetKind& kind = find_dataset(source.kind);
    return kind.read(source.path, complete_options(kind.options, options, source.path), columns);
  }
  const TextFile file = read_text_file(source.path, options.text_or("encoding", "auto"));
  if (source.kind.empty() && begins_like_json(file.text))
    return read_json_rows(file.text, source.path, columns);
  for (const auto& [name, value] : options.values())
    if (name != "encoding")
      throw UsageError(fmt::format("--set data.{} changes nothing: {} is read as a text a line",
                                   name, source.path),
                       "leave it out, or say what the file is: --input csv:FILE");
  return read_plain_rows(file.text, source.path);
}

// Empty texts are texts: their answer is that to the special tokens alone.
InputTexts from_rows(Rows rows, const std::string& source) {
  if (rows.texts.empty())
    throw Error(ErrorCode::bad_format, source + ": holds no texts", "one text a row is expected");
  return {std::move(rows.texts), std::move(rows.pairs), source, std::move(rows.lines)};
}

InputTexts from_standard_input() {
  const std::string content(std::istreambuf_iterator<char>(std::cin), {});
  const std::string source = "standard input";
  if (content.empty())
    throw UsageError("no texts: none given, and standard input is empty",
                     "give texts or --input FILE");
  const TextFile file = decode_text({nullptr, content}, source, "auto");
  return from_rows(read_plain_rows(file.text, source), source);
}

}  // namespace

std::string InputTexts::place(std::size_t index) const {
  if (!lines.empty()) return fmt::format("{}: line {}", source, lines[index]);
  return fmt::format("{} {}", source, index + 1);
}

std::vector<OptionSpec> text_flags() {
  return {{.name = "input",
           .default_value = {},
           .help = "texts: a csv, tsv, json, jsonl or txt file (.gz, .zst, ... too), or KIND:FILE"},
          {.name = "pair", .default_value = {}, .help = "the second text of each TEXT"}};
}

const char* text_settings_note() {
  return "With --input also options of the file: data.text=COLUMN, data.text_pair=COLUMN, "
         "data.separator, data.encoding, data.skip_empty, ... (hone data list).";
}

InputTexts read_texts(const CommandInput& input, const TextSettings& data) {
  const bool from_file = input.options.contains("input");
  if (from_file && input.has("TEXT"))
    throw UsageError("texts and --input are both given", "give one of them");
  if (input.options.contains("pair") && !input.has("TEXT"))
    throw UsageError("--pair changes nothing: it belongs to a TEXT of the command line",
                     "write second texts into the column text_pair of --input");
  if (from_file) {
    const std::string name = input.options.text("input");
    const Source source = source_of(name);
    const Options options = options_of(source, data);
    Rows rows = read_rows(source, options);
    const bool skip = options.boolean_or("skip_empty", false);
    if (const std::int64_t skipped = skip ? drop_empty_rows(rows, true) : 0; skipped > 0)
      console().note(
          fmt::format("{}: {} rows with an empty text are skipped", source.path, skipped));
    return from_rows(std::move(rows), source.path);
  }
  if (!data.empty())
    throw UsageError(
        fmt::format("--set data.{} changes nothing: no file is read", data.front().first),
        "leave it out, or give --input FILE");
  if (!input.has("TEXT")) return from_standard_input();
  InputTexts texts{input.arguments.at("TEXT"), {}, "text"};
  if (input.options.contains("pair"))
    texts.pairs.assign(texts.texts.size(), input.options.text("pair"));
  return texts;
}

}  // namespace hone
