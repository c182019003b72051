// One description of what a struct of a record holds, from which it is written and read.
//
// Beside each struct stands a function fields(FieldVisitor&, T&) that names every member once:
//
//   void fields(FieldVisitor& visitor, ResumeEvent& event) { visitor.whole("step", event.step); }
//
// to_line and to_object write by it, from_line reads by it, tests fill and compare by it.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hone/core/json.hpp"

namespace hone {

// A number that a record does not hold is NaN.
inline constexpr double not_recorded = std::numeric_limits<double>::quiet_NaN();

// 95 % intervals by the name of the figure: low, high.
using NamedIntervals = std::map<std::string, std::pair<double, double>>;

// How a member that is not set (NaN, empty, false, zero) is written: as it is (NaN: null), or not
// at all. It reads alike: an absent key and null are what is not set.
enum class Presence { always, where_set };

// What a description tells: the key of a member and what kind of value it is. The order is that of
// the description; a member may decide on the presence of those behind it.
class FieldVisitor {
public:
  FieldVisitor() = default;
  FieldVisitor(const FieldVisitor&) = delete;
  FieldVisitor& operator=(const FieldVisitor&) = delete;
  virtual ~FieldVisitor() = default;

  virtual void number(const char* key, double& value, Presence presence = Presence::always) = 0;
  // Whole numbers, as a rule, that may be missing: 30 is written as 30, not as 30.0.
  virtual void count(const char* key, double& value, Presence presence = Presence::always) = 0;
  // 0 or more; has to be there with Presence::always.
  virtual void whole(const char* key, std::int64_t& value,
                     Presence presence = Presence::always) = 0;
  virtual void text(const char* key, std::string& value, Presence presence = Presence::always) = 0;
  virtual void flag(const char* key, bool& value, Presence presence = Presence::always) = 0;
  // Of any content, which the record does not look into: an object, an array.
  virtual void object(const char* key, Json& value, Presence presence = Presence::always) = 0;
  virtual void array(const char* key, Json& value, Presence presence = Presence::always) = 0;
  virtual void texts(const char* key, std::vector<std::string>& values,
                     Presence presence = Presence::always) = 0;
  virtual void named_texts(const char* key, std::map<std::string, std::string>& values,
                           Presence presence = Presence::always) = 0;
  virtual void named_counts(const char* key, std::map<std::string, double>& values,
                            Presence presence = Presence::always) = 0;
  // {name: [low, high]}
  virtual void intervals(const char* key, NamedIntervals& values,
                         Presence presence = Presence::always) = 0;
  // Rows of counts, as many as each has.
  virtual void square(const char* key, std::vector<std::vector<std::int64_t>>& rows,
                      Presence presence = Presence::always) = 0;

  // A list of described structs.
  template <class T>
  void list(const char* key, std::vector<T>& items, Presence presence = Presence::always) {
    objects(
        key, items.size(), [&](std::size_t size) { items.resize(size); },
        [&](FieldVisitor& visitor, std::size_t i) { fields(visitor, items[i]); }, presence);
  }
  // A described struct; absent where there is none.
  template <class T>
  void part(const char* key, std::optional<T>& value) {
    optional_object(
        key, value.has_value(), [&] { value.emplace(); },
        [&](FieldVisitor& visitor) { fields(visitor, *value); });
  }

  // A rule that what was visited so far has to follow. A reader fails with `expected` where it does
  // not: "low" must be no more than "high".
  virtual void require(bool holds, const char* key, const char* expected) = 0;

protected:
  virtual void objects(const char* key, std::size_t size,
                       const std::function<void(std::size_t)>& resize,
                       const std::function<void(FieldVisitor&, std::size_t)>& visit,
                       Presence presence) = 0;
  virtual void optional_object(const char* key, bool there, const std::function<void()>& create,
                               const std::function<void(FieldVisitor&)>& visit) = 0;
};

// Where a line stands, for messages; line 0: a whole file.
struct LinePlace {
  std::string source;
  std::size_t line = 0;
};

// What a description is written to and read from. A key that is not described is not read.
Json write_fields(const std::function<void(FieldVisitor&)>& description);
// Throws Error(bad_format) that names source, line and key for a value of another kind.
void read_fields(const Json& object, const LinePlace& place,
                 const std::function<void(FieldVisitor&)>& description);

template <class T>
concept RecordStruct = requires(FieldVisitor& visitor, T& value) {
  fields(visitor, value);
};
template <class T>
concept RecordEvent = RecordStruct<T> && requires {
  std::string(T::event_name);
};

template <RecordStruct T>
Json to_object(T value) {
  return write_fields([&](FieldVisitor& visitor) { fields(visitor, value); });
}

// As a line of a record: with its "event".
template <RecordEvent T>
Json to_line(T event) {
  Json line = to_object(std::move(event));
  line["event"] = T::event_name;
  return line;
}

// Throws as read_fields.
template <RecordStruct T>
T from_object(const Json& object, const LinePlace& place) {
  T value;
  read_fields(object, place, [&](FieldVisitor& visitor) { fields(visitor, value); });
  return value;
}

// The "event" of a line; "" where it has none. Throws Error(bad_format) for what is no object.
std::string event_of(const Json& line, const LinePlace& place);
// Where a value does not fit: "record.jsonl: line 2: "step" must be a number".
[[noreturn]] void refuse_field(const LinePlace& place, const std::string& key,
                               const std::string& expected);

}  // namespace hone
