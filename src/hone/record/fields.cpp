#include "hone/record/fields.hpp"

#include <cmath>

#include <fmt/format.h>

#include "hone/core/error.hpp"

namespace hone {
namespace {

// Doubles hold whole numbers up to here exactly.
constexpr double largest_whole = 9007199254740992.0;

class Writer final : public FieldVisitor {
public:
  Json object_written = Json::object();

  void number(const char* key, double& value, Presence presence) override {
    put(key, std::isnan(value) ? Json(nullptr) : Json(value), !std::isnan(value), presence);
  }
  void count(const char* key, double& value, Presence presence) override {
    if (std::abs(value) < largest_whole && value == std::floor(value))
      put(key, static_cast<std::int64_t>(value), true, presence);
    else
      number(key, value, presence);
  }
  void whole(const char* key, std::int64_t& value, Presence presence) override {
    put(key, value, value != 0, presence);
  }
  void text(const char* key, std::string& value, Presence presence) override {
    put(key, value, !value.empty(), presence);
  }
  void flag(const char* key, bool& value, Presence presence) override {
    put(key, value, value, presence);
  }
  void object(const char* key, Json& value, Presence presence) override {
    put(key, value, !value.empty(), presence);
  }
  void array(const char* key, Json& value, Presence presence) override {
    put(key, value, !value.empty(), presence);
  }
  void texts(const char* key, std::vector<std::string>& values, Presence presence) override {
    put(key, values, !values.empty(), presence);
  }
  void named_texts(const char* key, std::map<std::string, std::string>& values,
                   Presence presence) override {
    put(key, values, !values.empty(), presence);
  }
  void named_counts(const char* key, std::map<std::string, double>& values,
                    Presence presence) override {
    Writer inside;
    for (auto& [name, value] : values) inside.count(name.c_str(), value, Presence::always);
    put(key, inside.object_written, !values.empty(), presence);
  }
  void intervals(const char* key, NamedIntervals& values, Presence presence) override {
    Json object = Json::object();
    for (const auto& [name, ends] : values) object[name] = Json::array({ends.first, ends.second});
    put(key, std::move(object), !values.empty(), presence);
  }
  void square(const char* key, std::vector<std::vector<std::int64_t>>& rows,
              Presence presence) override {
    Json list = Json::array();
    for (const auto& row : rows) list.push_back(row);
    put(key, std::move(list), !rows.empty(), presence);
  }
  void require(bool, const char*, const char*) override {}

protected:
  void objects(const char* key, std::size_t size, const std::function<void(std::size_t)>&,
               const std::function<void(FieldVisitor&, std::size_t)>& visit,
               Presence presence) override {
    Json list = Json::array();
    for (std::size_t i = 0; i < size; ++i) {
      Writer inside;
      visit(inside, i);
      list.push_back(std::move(inside.object_written));
    }
    put(key, std::move(list), size > 0, presence);
  }
  void optional_object(const char* key, bool there, const std::function<void()>&,
                       const std::function<void(FieldVisitor&)>& visit) override {
    if (!there) return;
    Writer inside;
    visit(inside);
    object_written[key] = std::move(inside.object_written);
  }

private:
  void put(const char* key, Json value, bool is_set, Presence presence) {
    if (is_set || presence == Presence::always) object_written[key] = std::move(value);
  }
};

bool is_whole(const Json& value) {
  return value.is_number_unsigned() && value.get<std::uint64_t>() <= std::uint64_t{INT64_MAX};
}

class Reader final : public FieldVisitor {
public:
  Reader(const Json& object, const LinePlace& place, std::string prefix)
      : object_(object), place_(place), prefix_(std::move(prefix)) {}

  void number(const char* key, double& value, Presence) override {
    value = not_recorded;
    if (const Json* found = find(key, &Json::is_number, "a number")) value = found->get<double>();
  }
  void count(const char* key, double& value, Presence presence) override {
    number(key, value, presence);
  }
  void whole(const char* key, std::int64_t& value, Presence presence) override {
    const Json* found = object_.find_member(key);
    value = 0;
    if (presence == Presence::where_set && (found == nullptr || found->is_null())) return;
    if (found == nullptr || !is_whole(*found)) fail(key, "a whole number, 0 or more");
    value = found->get<std::int64_t>();
  }
  void text(const char* key, std::string& value, Presence) override {
    value.clear();
    if (const Json* found = find(key, &Json::is_string, "text")) value = found->text();
  }
  void flag(const char* key, bool& value, Presence) override {
    value = false;
    if (const Json* found = find(key, &Json::is_boolean, "true or false"))
      value = found->get<bool>();
  }
  void object(const char* key, Json& value, Presence) override {
    value = Json::object();
    if (const Json* found = find(key, &Json::is_object, "an object")) value = *found;
  }
  void array(const char* key, Json& value, Presence) override {
    value = Json::array();
    if (const Json* found = find(key, &Json::is_array, "a list")) value = *found;
  }
  void texts(const char* key, std::vector<std::string>& values, Presence) override {
    values.clear();
    for (const Json& item : elements(key)) {
      if (!item.is_string()) fail(key, "a list of texts");
      values.push_back(item.text());
    }
  }
  void named_texts(const char* key, std::map<std::string, std::string>& values, Presence) override {
    values.clear();
    for (const auto& [name, item] : members(key)) {
      if (!item.is_string()) fail(inner(key, name), "text");
      values.emplace(name, item.text());
    }
  }
  void named_counts(const char* key, std::map<std::string, double>& values, Presence) override {
    values.clear();
    for (const auto& [name, item] : members(key)) {
      if (!item.is_number()) fail(inner(key, name), "a number");
      values.emplace(name, item.get<double>());
    }
  }
  void intervals(const char* key, NamedIntervals& values, Presence) override {
    values.clear();
    for (const auto& [name, item] : members(key)) {
      if (!item.is_array() || item.size() != 2 || !item[0].is_number() || !item[1].is_number())
        fail(inner(key, name), "two numbers");
      values.emplace(name, std::pair(item[0].get<double>(), item[1].get<double>()));
    }
  }
  void square(const char* key, std::vector<std::vector<std::int64_t>>& rows, Presence) override {
    rows.clear();
    const Json::Array& list = elements(key);
    for (const Json& row : list) {
      if (!row.is_array() || row.size() != list.size()) fail(key, "a square of counts");
      rows.emplace_back();
      for (const Json& item : row) {
        if (!is_whole(item)) fail(key, "a square of counts");
        rows.back().push_back(item.get<std::int64_t>());
      }
    }
  }
  void require(bool holds, const char* key, const char* expected) override {
    if (!holds) fail(key, expected);
  }

protected:
  void objects(const char* key, std::size_t, const std::function<void(std::size_t)>& resize,
               const std::function<void(FieldVisitor&, std::size_t)>& visit, Presence) override {
    const Json::Array& list = elements(key);
    resize(list.size());
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string name = fmt::format("{}[{}]", key, i);
      if (!list[i].is_object()) fail(name, "an object");
      Reader inside(list[i], place_, prefix_ + name + ".");
      visit(inside, i);
    }
  }
  void optional_object(const char* key, bool, const std::function<void()>& create,
                       const std::function<void(FieldVisitor&)>& visit) override {
    const Json* found = find(key, &Json::is_object, "an object");
    if (found == nullptr) return;
    create();
    Reader inside(*found, place_, fmt::format("{}{}.", prefix_, key));
    visit(inside);
  }

private:
  // Null pointer where the key is absent or null.
  const Json* find(const char* key, bool (Json::*is)() const, const char* expected) const {
    const Json* found = object_.find_member(key);
    if (found == nullptr || found->is_null()) return nullptr;
    if (!(found->*is)()) fail(key, expected);
    return found;
  }
  const Json::Array& elements(const char* key) const {
    static const Json::Array nothing;
    const Json* found = find(key, &Json::is_array, "a list");
    return found == nullptr ? nothing : found->elements();
  }
  const Json::Object& members(const char* key) const {
    static const Json::Object nothing;
    const Json* found = find(key, &Json::is_object, "an object");
    return found == nullptr ? nothing : found->items();
  }
  static std::string inner(const char* key, const std::string& name) {
    return fmt::format("{}.{}", key, name);
  }
  [[noreturn]] void fail(const std::string& key, const char* expected) const {
    refuse_field(place_, prefix_ + key, expected);
  }

  const Json& object_;
  const LinePlace& place_;
  std::string prefix_;
};

std::string show(const LinePlace& place) {
  return place.line > 0 ? fmt::format("{}: line {}", place.source, place.line) : place.source;
}

void require_object(const Json& object, const LinePlace& place) {
  if (!object.is_object())
    throw Error(ErrorCode::bad_format, show(place) + ": expected a JSON object",
                "a record is the file record.jsonl of a run");
}

}  // namespace

Json write_fields(const std::function<void(FieldVisitor&)>& description) {
  Writer writer;
  description(writer);
  return std::move(writer.object_written);
}

void read_fields(const Json& object, const LinePlace& place,
                 const std::function<void(FieldVisitor&)>& description) {
  require_object(object, place);
  Reader reader(object, place, "");
  description(reader);
}

std::string event_of(const Json& line, const LinePlace& place) {
  require_object(line, place);
  std::string event;
  Reader(line, place, "").text("event", event, Presence::always);
  return event;
}

void refuse_field(const LinePlace& place, const std::string& key, const std::string& expected) {
  throw Error(ErrorCode::bad_format,
              fmt::format("{}: \"{}\" must be {}", show(place), key, expected),
              "the record was not written by this version of hone, or was edited");
}

}  // namespace hone
