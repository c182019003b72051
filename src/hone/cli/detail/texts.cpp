#include "hone/cli/detail/texts.hpp"

#include <cstring>
#include <iostream>

#include <fmt/format.h>

#include "hone/cli/detail/program.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/core/threads.hpp"

namespace hone {
namespace {

// Reads {"text": "..."} where the text has only the common escapes; false: left to the JSON parser.
bool read_plain_line(std::string_view line, std::string& out) {
  const auto skip = [&](std::string_view expected) {
    while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
    if (line.substr(0, expected.size()) != expected) return false;
    line.remove_prefix(expected.size());
    return true;
  };
  if (!skip("{") || !skip("\"text\"") || !skip(":") || !skip("\"")) return false;
  out.clear();
  out.reserve(line.size());
  for (std::size_t i = 0; i < line.size();) {
    const std::size_t begin = i;
    while (i < line.size() && line[i] != '"' && line[i] != '\\' &&
           static_cast<unsigned char>(line[i]) >= 0x20)
      ++i;
    out.append(line, begin, i - begin);
    if (i >= line.size()) return false;
    if (line[i] == '"') {
      line.remove_prefix(i + 1);
      return skip("}") && trim(line).empty();
    }
    if (line[i] != '\\' || i + 1 >= line.size()) return false;
    switch (line[i + 1]) {
      case 'n': out += '\n'; break;
      case 't': out += '\t'; break;
      case 'r': out += '\r'; break;
      case '"': out += '"'; break;
      case '\\': out += '\\'; break;
      case '/': out += '/'; break;
      default: return false;  // \u and the rare ones
    }
    i += 2;
  }
  return false;
}

void refuse_invalid_utf8(std::string_view text, const std::string& where) {
  const std::size_t bad = find_invalid_utf8(text);
  if (bad != std::string_view::npos)
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: not UTF-8 at byte {} of the line", where, bad),
                "convert the file to UTF-8");
}

std::string read_any_line(std::string_view line, const std::string& where) {
  refuse_invalid_utf8(line, where);
  const Json json = parse_json(line, where);
  if (json.is_string()) return json.get<std::string>();
  if (!json.is_object() || !json.contains("text"))
    throw Error(ErrorCode::bad_format, where + ": expected an object with a \"text\"",
                "one {\"text\": \"...\"} a line");
  if (!json["text"].is_string())
    throw Error(ErrorCode::bad_format, where + ": \"text\" is not text");
  return json["text"].get<std::string>();
}

struct Line {
  std::string_view text;
  std::int64_t number;
};

std::vector<Line> find_lines(std::string_view rest) {
  std::vector<Line> lines;
  for (std::int64_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    if (!trim(line).empty()) lines.push_back({line, number});
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return lines;
}

}  // namespace

std::vector<std::string> read_jsonl_texts(const std::filesystem::path& path) {
  const MappedFile file = map_file(path);
  std::string_view all(reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size());
  if (all.starts_with("\xEF\xBB\xBF")) all.remove_prefix(3);
  const std::vector<Line> lines = find_lines(all);
  std::vector<std::string> texts(lines.size());
  constexpr std::int64_t chunk = 64;
  const auto count = static_cast<std::int64_t>(lines.size());
  parallel_items((count + chunk - 1) / chunk, [&](std::int64_t c, int) {
    for (std::int64_t i = c * chunk; i < std::min(count, (c + 1) * chunk); ++i) {
      const Line& line = lines[static_cast<std::size_t>(i)];
      std::string& text = texts[static_cast<std::size_t>(i)];
      if (!read_plain_line(line.text, text))
        text = read_any_line(line.text, fmt::format("{}: line {}", path.string(), line.number));
    }
  });
  if (texts.empty())
    throw Error(ErrorCode::bad_format, path.string() + ": holds no texts",
                "one {\"text\": \"...\"} a line");
  return texts;
}

std::string place_of_text(const CommandInput& input, std::size_t index) {
  if (input.options.contains("input")) {
    const std::string path = input.options.text("input");
    std::error_code failed;
    // What came through a pipe is gone.
    if (!std::filesystem::is_regular_file(path, failed))
      return fmt::format("{}: text {}", path, index + 1);
    const MappedFile file = map_file(path);
    const auto lines =
        find_lines({reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size()});
    return fmt::format("{}: line {}", path, index < lines.size() ? lines[index].number : 0);
  }
  return fmt::format("{} {}", input.has("TEXT") ? "text" : "standard input: line", index + 1);
}

std::vector<std::string> read_texts(const CommandInput& input) {
  const bool from_file = input.options.contains("input");
  if (from_file && input.has("TEXT"))
    throw UsageError("texts and --input are both given", "give one of them");
  if (from_file) return read_jsonl_texts(input.options.text("input"));
  if (input.has("TEXT")) return input.arguments.at("TEXT");
  std::vector<std::string> texts;
  for (std::string line; std::getline(std::cin, line);) texts.push_back(line);
  if (texts.empty())
    throw UsageError("no texts: none given, and standard input is empty",
                     fmt::format("give texts or --input FILE"));
  return texts;
}

}  // namespace hone
