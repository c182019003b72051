#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/core/threads.hpp"
#include "hone/data/rows.hpp"
#include "hone/data/unicode.hpp"

namespace hone {
namespace {

constexpr std::int64_t rows_at_once = 64;

// One value of the file and the line it starts on.
struct Item {
  std::string_view text;
  std::int64_t line;
};

// What a row has of the columns.
struct Fields {
  std::optional<std::string> text, pair, label;
};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Reads a JSON object without objects and arrays in it. False for anything else, broken JSON
// included: the JSON parser reads it then, or says what is wrong with it.
class FlatObject {
public:
  explicit FlatObject(std::string_view text) : rest_(text) {}

  bool read(const Columns& columns, Fields& fields) {
    if (!skip('{')) return false;
    if (skip('}')) return at_end();
    do {
      std::string key;
      if (!skip('"') || !string(key) || !is_new(key) || !skip(':')) return false;
      std::optional<std::string>* wanted = key.empty()            ? nullptr
                                           : key == columns.text  ? &fields.text
                                           : key == columns.label ? &fields.label
                                           : key == columns.pair  ? &fields.pair
                                                                  : nullptr;
      if (skip('"')) {
        if (!string(wanted != nullptr ? wanted->emplace() : unused_)) return false;
      } else if ((wanted != nullptr && wanted != &fields.label) || !scalar(wanted)) {
        return false;
      }
    } while (skip(','));
    return skip('}') && at_end();
  }

private:
  void skip_spaces() {
    while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
  }
  bool skip(char c) {
    skip_spaces();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool at_end() {
    skip_spaces();
    return rest_.empty();
  }
  bool is_new(const std::string& key) {
    if (count_ == keys_.size()) return false;
    if (std::find(keys_.begin(), keys_.begin() + static_cast<std::ptrdiff_t>(count_), key) !=
        keys_.begin() + static_cast<std::ptrdiff_t>(count_))
      return false;
    keys_[count_++] = key;
    return true;
  }
  // The rest of a string whose quote was read.
  bool string(std::string& out) {
    out.clear();
    std::size_t i = 0;
    while (true) {
      const std::size_t begin = i;
      while (i < rest_.size() && rest_[i] != '"' && rest_[i] != '\\' &&
             static_cast<unsigned char>(rest_[i]) >= 0x20)
        ++i;
      out.append(rest_, begin, i - begin);
      if (i >= rest_.size()) return false;
      if (rest_[i] == '"') {
        rest_.remove_prefix(i + 1);
        return true;
      }
      if (rest_[i] != '\\' || i + 1 >= rest_.size()) return false;
      const char escaped = rest_[i + 1];
      i += 2;
      switch (escaped) {
        case 'n': out += '\n'; break;
        case 't': out += '\t'; break;
        case 'r': out += '\r'; break;
        case 'b': out += '\b'; break;
        case 'f': out += '\f'; break;
        case '"': out += '"'; break;
        case '\\': out += '\\'; break;
        case '/': out += '/'; break;
        case 'u':
          if (!code_point(i, out)) return false;
          break;
        default: return false;
      }
    }
  }
  bool four_digits(std::size_t at, std::uint32_t& value) const {
    if (at + 4 > rest_.size()) return false;
    const char* begin = rest_.data() + at;
    return std::from_chars(begin, begin + 4, value, 16).ptr == begin + 4;
  }
  bool code_point(std::size_t& i, std::string& out) const {
    std::uint32_t c = 0;
    if (!four_digits(i, c)) return false;
    i += 4;
    if (c >= 0xD800 && c < 0xE000) {
      std::uint32_t low = 0;
      if (c >= 0xDC00 || rest_.substr(i, 2) != "\\u" || !four_digits(i + 2, low) || low < 0xDC00 ||
          low >= 0xE000)
        return false;
      i += 6;
      c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    }
    char bytes[4];
    out.append(bytes, static_cast<std::size_t>(unicode::encode(c, bytes)));
    return true;
  }
  // A whole number, true or false, as the file writes it; null is "".
  bool scalar(std::optional<std::string>* out) {
    skip_spaces();
    std::size_t end = 0;
    while (end < rest_.size() && rest_[end] != ',' && rest_[end] != '}' && !is_space(rest_[end]))
      ++end;
    const std::string_view word = rest_.substr(0, end);
    rest_.remove_prefix(end);
    if (word != "true" && word != "false" && word != "null" && !is_whole(word)) return false;
    if (out != nullptr) *out = word == "null" ? std::string() : std::string(word);
    return true;
  }
  static bool is_whole(std::string_view word) {
    if (word.starts_with('-')) word.remove_prefix(1);
    if (word.empty() || word.size() > 15 || (word[0] == '0' && word.size() > 1)) return false;
    return std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
  }

  std::string_view rest_;
  std::array<std::string, 12> keys_;
  std::size_t count_ = 0;
  std::string unused_;
};

std::optional<std::string> text_of(const Json& json, const std::string& column,
                                   const std::string& place) {
  if (json.is_null()) return std::string();
  if (json.is_string()) return json.get<std::string>();
  throw Error(ErrorCode::bad_format,
              fmt::format("{}: '{}' is {}, expected text", place, column, json.type_name()),
              "write the text in quotes");
}

std::string label_of(const Json& json, const std::string& column, const std::string& place) {
  if (json.is_null()) return "";
  if (json.is_string()) return std::string(trim(json.text()));
  if (json.is_number() || json.is_boolean()) return json.dump();
  throw Error(ErrorCode::bad_format,
              fmt::format("{}: '{}' is {}, expected a number, a boolean or text", place, column,
                          json.type_name()),
              "write one label a row");
}

void read_object(const Json& json, const Columns& columns, const std::string& place,
                 Fields& fields) {
  if (json.is_string() && columns.label.empty()) {
    fields.text = json.get<std::string>();
    return;
  }
  if (!json.is_object())
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: {}, expected a JSON object", place, json.type_name()),
                "write one object for each row");
  const auto find = [&](const std::string& name) {
    return name.empty() ? nullptr : json.find_member(name);
  };
  if (const Json* text = find(columns.text)) fields.text = text_of(*text, columns.text, place);
  if (const Json* pair = find(columns.pair)) fields.pair = text_of(*pair, columns.pair, place);
  if (const Json* label = find(columns.label))
    fields.label = label_of(*label, columns.label, place);
}

[[noreturn]] void fail_missing(const Json& json, const std::string& name, const char* role,
                               const std::string& place) {
  std::vector<std::string> names;
  if (json.is_object())
    for (const auto& [key, value] : json.items()) names.push_back(key);
  throw Error(
      ErrorCode::not_found, fmt::format("{}: no key '{}'", place, name),
      fmt::format("name it with the option data.{}=KEY; {}", role, did_you_mean(name, names)));
}

// The values between the brackets of an array; false when its text is not made like one.
bool find_elements(std::string_view text, std::vector<Item>& items) {
  std::size_t i = 0;
  std::int64_t line = 1;
  const auto skip_spaces = [&] {
    for (; i < text.size() && is_space(text[i]); ++i)
      if (text[i] == '\n') ++line;
  };
  const auto skip_value = [&] {
    int depth = 0;
    bool quoted = false;
    for (; i < text.size(); ++i) {
      const char c = text[i];
      if (c == '\n') ++line;
      if (quoted) {
        if (c == '\\') ++i;
        if (c == '"') quoted = false;
        continue;
      }
      if (depth == 0 && (c == ',' || c == ']' || is_space(c))) return;
      if (c == '"') quoted = true;
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
    }
  };
  skip_spaces();
  ++i;  // the bracket
  skip_spaces();
  if (i < text.size() && text[i] == ']') return trim(text.substr(i + 1)).empty();
  while (true) {
    skip_spaces();
    const std::size_t begin = i;
    const std::int64_t first_line = line;
    skip_value();
    if (i >= text.size() || i == begin) return false;
    items.push_back({text.substr(begin, i - begin), first_line});
    skip_spaces();
    if (i >= text.size()) return false;
    if (text[i] == ']') return trim(text.substr(i + 1)).empty();
    if (text[i++] != ',') return false;
  }
}

class JsonRowReader {
public:
  JsonRowReader(std::string_view text, const std::filesystem::path& path, const Columns& columns)
      : text_(text), path_(path), columns_(columns), is_array_(trim(text).starts_with('[')) {
    if (is_array_) {
      if (!find_elements(text_, items_)) fail_array();
      return;
    }
    const std::vector<std::string_view> lines = split_lines(text_);
    items_.reserve(lines.size());
    for (std::size_t i = 0; i < lines.size(); ++i)
      if (!trim(lines[i]).empty()) items_.push_back({lines[i], static_cast<std::int64_t>(i) + 1});
  }

  Rows read() const {
    Rows rows{path_, columns_, {}, {}, {}, {}};
    const auto count = static_cast<std::int64_t>(items_.size());
    rows.texts.resize(items_.size());
    rows.pairs.resize(columns_.pair.empty() ? 0 : items_.size());
    rows.labels.resize(columns_.label.empty() ? 0 : items_.size());
    std::vector<std::uint8_t> paired(items_.size());
    parallel_items((count + rows_at_once - 1) / rows_at_once, [&](std::int64_t part, int) {
      const std::int64_t end = std::min(count, (part + 1) * rows_at_once);
      for (auto i = static_cast<std::size_t>(part * rows_at_once);
           i < static_cast<std::size_t>(end); ++i) {
        Fields fields = fields_of(items_[i]);
        rows.texts[i] = std::move(*fields.text);
        paired[i] = fields.pair.has_value();
        if (fields.pair) rows.pairs[i] = std::move(*fields.pair);
        if (fields.label) rows.labels[i] = std::move(*fields.label);
      }
    });
    for (const Item& item : items_) rows.lines.push_back(item.line);
    drop_absent_pairs(rows, paired);
    return rows;
  }

private:
  [[noreturn]] void fail_array() const {
    (void)parse_json(text_, path_.string());
    throw Error(ErrorCode::bad_format, path_.string() + ": not an array of objects",
                "write [{...}, {...}], or one object a line");
  }

  Json parse(const Item& item) const {
    try {
      return parse_json(item.text, path_.string(), 64, item.line);
    } catch (const Error&) {
      // Of an array only the whole knows line and column.
      if (is_array_) (void)parse_json(text_, path_.string());
      throw;
    }
  }

  Fields fields_of(const Item& item) const {
    Fields fields;
    const bool complete = FlatObject(item.text).read(columns_, fields) && fields.text &&
                          (fields.pair || columns_.pair.empty() || columns_.pair_if_there) &&
                          (fields.label || columns_.label.empty());
    if (complete) {
      if (fields.label) *fields.label = std::string(trim(*fields.label));
      return fields;
    }
    fields = {};
    const Json json = parse(item);
    const std::string place = fmt::format("{}: line {}", path_.string(), item.line);
    read_object(json, columns_, place, fields);
    if (!fields.text) fail_missing(json, columns_.text, "text", place);
    if (!fields.pair && !columns_.pair.empty() && !columns_.pair_if_there)
      fail_missing(json, columns_.pair, "text_pair", place);
    if (!fields.label && !columns_.label.empty())
      fail_missing(json, columns_.label, "label", place);
    return fields;
  }

  // Where pairs are read if they are there, all rows have them or none.
  void drop_absent_pairs(Rows& rows, const std::vector<std::uint8_t>& paired) const {
    if (columns_.pair.empty()) return;
    const auto without = std::find(paired.begin(), paired.end(), 0);
    if (without == paired.end() && !paired.empty()) return;
    const auto with = std::find(paired.begin(), paired.end(), 1);
    if (with != paired.end())
      throw Error(
          ErrorCode::bad_format,
          fmt::format("{}: line {}: no key '{}', which line {} has", path_.string(),
                      items_[static_cast<std::size_t>(without - paired.begin())].line,
                      columns_.pair, items_[static_cast<std::size_t>(with - paired.begin())].line),
          "give every row a second text, or read none with the option data.text_pair=none");
    rows.pairs.clear();
    rows.columns.pair.clear();
  }

  std::string_view text_;
  const std::filesystem::path& path_;
  const Columns& columns_;
  bool is_array_;
  std::vector<Item> items_;
};

}  // namespace

Rows read_json_rows(std::string_view text, const std::filesystem::path& path,
                    const Columns& columns) {
  return JsonRowReader(text, path, columns).read();
}

}  // namespace hone
