#include "hone/core/json.hpp"

#include <algorithm>
#include <set>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone {
namespace {

std::string place(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t start = before.rfind('\n') + 1;  // npos + 1 == 0: the first line
  return fmt::format("line {}, column {}", line, std::max<std::size_t>(1, before.size() - start));
}

// The library's text is "[json.exception.parse_error.101] parse error at line 1, column 2: reason".
std::string reason(const std::string& text) {
  const std::size_t at = text.find(": ");
  return printable(at == std::string::npos ? text : text.substr(at + 2), 200);
}

}  // namespace

nlohmann::json parse_json(std::string_view text, const std::string& where, int max_depth) {
  using nlohmann::json;
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto watch = [&](int depth, json::parse_event_t event, json& value) {
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    const bool opens =
        event == json::parse_event_t::object_start || event == json::parse_event_t::array_start;
    if (opens && depth >= max_depth)
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: JSON nested deeper than {} levels", where, max_depth));
    if (event == json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second)
      throw Error(ErrorCode::bad_format, fmt::format("{}: key '{}' is given twice", where,
                                                     printable(value.get<std::string>())));
    return true;
  };
  try {
    return json::parse(text.begin(), text.end(), watch);
  } catch (const json::parse_error& error) {
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: {}: not valid JSON: {}", where, place(text, error.byte),
                            reason(error.what())),
                "the file may be truncated: copy or download it again");
  } catch (const json::out_of_range& error) {
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: not valid JSON: {}", where, reason(error.what())));
  }
}

std::string ordered_object(std::initializer_list<std::pair<const char*, nlohmann::json>> members) {
  std::string text;
  for (const auto& [name, value] : members)
    text += fmt::format("{}\"{}\":{}", text.empty() ? "{" : ",", name,
                        value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  return text.empty() ? "{}" : text + "}";
}

}  // namespace hone
