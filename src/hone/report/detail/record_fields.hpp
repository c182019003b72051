#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/report/summary.hpp"

namespace hone {

// One line of a record, or an object within it, with its place for messages.
class Fields {
public:
  Fields(const Json& object, const std::string& source, std::size_t line, std::string prefix = "")
      : object_(object), source_(source), line_(line), prefix_(std::move(prefix)) {}

  // JSON has no NaN: Record writes it as null, and an absent key is a value not recorded.
  double number(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr || value->is_null()) return not_recorded;
    if (!value->is_number()) fail(key, "a number");
    return value->get<double>();
  }

  std::string text(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr || value->is_null()) return "";
    if (!value->is_string()) fail(key, "text");
    return value->get<std::string>();
  }

  bool flag(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr || value->is_null()) return false;
    if (!value->is_boolean()) fail(key, "true or false");
    return value->get<bool>();
  }

  std::int64_t step(const char* key) const {
    const Json* value = find(key);
    const bool whole = value != nullptr && value->is_number_integer();
    const bool fits = whole && (!value->is_number_unsigned() ||
                                value->get<std::uint64_t>() <= std::uint64_t{INT64_MAX});
    if (!fits || value->get<std::int64_t>() < 0) fail(key, "a whole number, 0 or more");
    return value->get<std::int64_t>();
  }

  Json object(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr || value->is_null()) return Json::object();
    if (!value->is_object()) fail(key, "an object");
    return *value;
  }

  std::vector<Fields> list(const char* key) const {
    const Json* value = find(key);
    std::vector<Fields> items;
    if (value == nullptr || value->is_null()) return items;
    if (!value->is_array()) fail(key, "a list");
    for (std::size_t i = 0; i < value->size(); ++i) {
      const std::string place = fmt::format("{}[{}]", key, i);
      if (!(*value)[i].is_object()) fail(place, "an object");
      items.emplace_back((*value)[i], source_, line_, place + ".");
    }
    return items;
  }

  std::vector<std::string> texts(const char* key) const {
    std::vector<std::string> items;
    for (const Json& item : array(key)) {
      if (!item.is_string()) fail(key, "a list of texts");
      items.push_back(item.get<std::string>());
    }
    return items;
  }

  // Rows of counts, as many as each has; none when the key is absent.
  std::vector<std::vector<std::int64_t>> square(const char* key) const {
    std::vector<std::vector<std::int64_t>> rows;
    for (const Json& row : array(key)) {
      if (!row.is_array() || row.size() != array(key).size()) fail(key, "a square of counts");
      rows.emplace_back();
      for (const Json& count : row) {
        if (!count.is_number_integer() || count.get<double>() < 0) fail(key, "a square of counts");
        rows.back().push_back(count.get<std::int64_t>());
      }
    }
    return rows;
  }

  [[noreturn]] void fail(const std::string& key, const char* expected) const {
    throw Error(
        ErrorCode::bad_format,
        fmt::format("{}: line {}: \"{}{}\" must be {}", source_, line_, prefix_, key, expected),
        "the record was not written by this version of hone, or was edited");
  }

private:
  const Json* find(const char* key) const { return object_.find_member(key); }

  Json array(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr || value->is_null()) return Json::array();
    if (!value->is_array()) fail(key, "a list");
    return *value;
  }

  const Json& object_;
  const std::string& source_;
  std::size_t line_;
  std::string prefix_;
};

}  // namespace hone
