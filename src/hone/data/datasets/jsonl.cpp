// jsonl:PATH, one JSON object a line.
#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/data/source.hpp"

namespace hone {
namespace {

const Json& member(const Json& object, const std::string& name, const char* role,
                   const std::string& place) {
  if (const Json* found = object.find_member(name); found != nullptr) return *found;
  std::vector<std::string> names;
  for (const auto& [key, value] : object.items()) names.push_back(key);
  throw Error(ErrorCode::not_found, fmt::format("{}: no key '{}'", place, name),
              fmt::format("name it with the option {}=KEY; {}", role, did_you_mean(name, names)));
}

LabelledRows read(const std::filesystem::path& path, const Options& options) {
  LabelledRows rows{
      path, options.text_or("text", "text"), options.text_or("label", "label"), {}, {}, {}};
  const MappedFile file = map_file(path);
  std::string_view rest(reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size());
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
  for (std::int64_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (trim(line).empty()) continue;
    const std::string place = fmt::format("{}: line {}", path.string(), number);
    const Json json = parse_json(line, path.string(), 64, number);
    if (!json.is_object())
      throw Error(ErrorCode::bad_format, place + ", column 1: not a JSON object",
                  "write one JSON object a line");
    const Json& text = member(json, rows.text_column, "text", place);
    if (!text.is_string())
      throw Error(
          ErrorCode::bad_format,
          fmt::format("{}: '{}' is {}, expected text", place, rows.text_column, text.type_name()),
          "write the text in quotes");
    const Json& label = member(json, rows.label_column, "label", place);
    if (!label.is_string() && !label.is_number_integer())
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: '{}' is {}, expected a whole number or text", place,
                              rows.label_column, label.type_name()),
                  "write labels as numbers from 0, or as names in quotes");
    rows.texts.push_back(text.get<std::string>());
    rows.labels.push_back(label.is_string() ? label.get<std::string>() : label.dump());
    rows.lines.push_back(number);
  }
  return rows;
}

TextData load(const std::string& location, const std::string& split, const Options& options) {
  require_location(location, "jsonl");
  return load_rows(location, split, options, read);
}

}  // namespace

DatasetKind dataset_jsonl() {
  return {{"jsonl", "one JSON object a line: jsonl:PATH", row_options()}, load, fingerprint_rows};
}

}  // namespace hone
