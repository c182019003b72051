#include "hone/recipes/detail/toml_file.hpp"

#include <cstdlib>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/text.hpp"

namespace hone {
namespace {

// Replaces every ${NAME} and ${NAME:-default}.
std::string expand(const std::string& text, const std::string& where) {
  std::string result;
  std::size_t at = 0;
  while (true) {
    const std::size_t begin = text.find("${", at);
    result += text.substr(at, begin - at);
    if (begin == std::string::npos) return result;
    const std::size_t end = text.find('}', begin);
    if (end == std::string::npos)
      throw Error(ErrorCode::bad_format, fmt::format("{}: '{}' lacks a closing }}", where, text));
    const std::string inside = text.substr(begin + 2, end - begin - 2);
    const std::size_t colon = inside.find(":-");
    const std::string name = inside.substr(0, colon);
    const char* set = std::getenv(name.c_str());
    if (set != nullptr && *set != '\0')
      result += set;
    else if (colon != std::string::npos)
      result += inside.substr(colon + 2);
    else
      throw Error(ErrorCode::not_found,
                  fmt::format("{}: the environment variable {} is not set", where, name),
                  fmt::format("set it, or write ${{{}:-default}}", name));
    at = end + 1;
  }
}

}  // namespace

std::string toml_place(const std::string& file, const toml::node& node) {
  // (The parser keeps no place of empty arrays.)
  const auto line = node.source().begin.line;
  return line == 0 ? file : fmt::format("{}: line {}", file, line);
}

std::string toml_text(const toml::node& node, const std::string& key, const std::string& file) {
  const std::string where = toml_place(file, node);
  if (const auto text = node.value_exact<std::string>()) return expand(*text, where);
  if (const auto flag = node.value_exact<bool>()) return *flag ? "true" : "false";
  if (const auto whole = node.value_exact<std::int64_t>()) return std::to_string(*whole);
  if (const auto number = node.value_exact<double>()) return fmt::format("{}", *number);
  if (const toml::array* list = node.as_array()) {
    std::vector<std::string> items;
    for (const toml::node& item : *list) {
      if (item.is_array() || item.is_table())
        throw Error(ErrorCode::bad_format,
                    fmt::format("{}: key '{}': a list of single values is expected", where, key));
      items.push_back(toml_text(item, key, file));
    }
    return fmt::format("{}", fmt::join(items, ","));
  }
  throw Error(ErrorCode::bad_format,
              fmt::format("{}: key '{}': a single value is expected", where, key),
              "text, a number, true, false or a list of them");
}

toml::table parse_toml(const std::filesystem::path& file) {
  return parse_toml_text(read_file(file), file.string());
}

toml::table parse_toml_text(std::string_view text, const std::string& name) {
  try {
    return toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: line {}, column {}: {}", name, error.source().begin.line,
                            error.source().begin.column, printable(error.description(), 300)),
                "the file must be TOML: key = value, texts in quotes");
  }
}

}  // namespace hone
