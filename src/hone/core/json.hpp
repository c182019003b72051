// JSON values. <nlohmann/json.hpp> parses and prints them inside json.cpp alone: that header costs
// a file that includes it two to four seconds of compilation, this one nothing that can be
// measured.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace hone {

// One JSON value: null, a boolean, a number, a text, an array or an object, whose members lie in
// the order of their names. Reading a value as what it is not throws Error(bad_format) that says
// what was expected and found.
class Json {
public:
  using Array = std::vector<Json>;
  using Object = std::map<std::string, Json, std::less<>>;

  Json() noexcept;
  Json(std::nullptr_t) noexcept;
  template <std::same_as<bool> T>
  Json(T value) noexcept : Json(Scalar{.integer = value}, Kind::boolean) {}
  template <std::signed_integral T>
  Json(T value) noexcept : Json(Scalar{.integer = value}, Kind::integer) {}
  Json(std::uint64_t value) noexcept;
  template <std::unsigned_integral T>
  requires(!std::same_as<T, bool> && !std::same_as<T, std::uint64_t>) Json(T value)
  noexcept : Json(static_cast<std::uint64_t>(value)) {}
  // A number that is not finite prints as null: JSON has none.
  template <std::floating_point T>
  Json(T value) noexcept : Json(Scalar{.real = static_cast<double>(value)}, Kind::real) {}
  Json(const char* text);
  Json(std::string_view text);
  Json(std::string text);
  Json(Array values);
  Json(Object members);
  template <class T>
  requires(!std::same_as<T, Json>) Json(const std::vector<T>& values)
      : Json(Array(values.begin(), values.end())) {}
  template <class T, class Compare>
  requires(!std::same_as<T, Json>) Json(const std::map<std::string, T, Compare>& members)
      : Json(Object(members.begin(), members.end())) {}
  // An object where every value is a pair that begins with a text, otherwise an array:
  // {{"name", "gelu"}, {"bytes", 12}}. `array` and `object` say which where that guesses wrong.
  Json(std::initializer_list<Json> values);
  static Json array(std::initializer_list<Json> values = {});
  static Json object(std::initializer_list<Json> members = {});

  Json(const Json& other);
  Json(Json&& other) noexcept;
  Json& operator=(const Json& other);
  Json& operator=(Json&& other) noexcept;
  ~Json();

  bool is_null() const { return kind_ == Kind::null; }
  bool is_boolean() const { return kind_ == Kind::boolean; }
  bool is_number_integer() const { return kind_ == Kind::integer || kind_ == Kind::natural; }
  bool is_number_unsigned() const {
    return is_number_integer() && (kind_ == Kind::natural || scalar_.integer >= 0);
  }
  bool is_number_float() const { return kind_ == Kind::real; }
  bool is_number() const { return is_number_integer() || is_number_float(); }
  bool is_string() const { return kind_ == Kind::text; }
  bool is_array() const { return kind_ == Kind::array; }
  bool is_object() const { return kind_ == Kind::object; }
  // "null", "a boolean", "an integer", "a number", "a text", "an array", "an object".
  const char* type_name() const;

  // The value as bool, an integer type (whole numbers within its range), float or double (any
  // number), std::string, std::vector or std::map from std::string of these.
  template <class T>
  T get() const {
    return Reader<T>::read(*this);
  }
  const std::string& text() const;
  const Array& elements() const;
  Array& elements();
  const Object& items() const;

  // Elements of an array and members of an object; 0 of null, 1 of anything else.
  std::size_t size() const;
  bool empty() const { return size() == 0; }
  const Json* begin() const;
  const Json* end() const;
  Json* begin();
  Json* end();
  const Json& operator[](std::size_t index) const;
  Json& operator[](std::size_t index);
  const Json& at(std::size_t index) const { return (*this)[index]; }
  Json& back();
  // null becomes an array with one element.
  void push_back(Json value);

  // The member of that name; null pointer where there is none, or where this is no object.
  const Json* find_member(std::string_view name) const;
  bool contains(std::string_view name) const { return find_member(name) != nullptr; }
  // Throws Error(bad_format) where there is none.
  const Json& at(std::string_view name) const;
  Json& at(std::string_view name);
  const Json& operator[](std::string_view name) const { return at(name); }
  // Adds the member, null, where there is none; null becomes an object.
  Json& operator[](std::string_view name);
  // The member of that name, `otherwise` where there is none.
  template <class T>
  T value(std::string_view name, const T& otherwise) const {
    const Json* found = find_member(name);
    return found == nullptr ? otherwise : found->get<T>();
  }
  std::string value(std::string_view name, const char* otherwise) const {
    return value(name, std::string(otherwise));
  }
  void erase(std::string_view name);

  // JSON text: on one line, or `indent` spaces a level. Text that is not UTF-8 is replaced.
  std::string dump(int indent = -1, bool ascii_only = false) const;

  // Numbers are equal by their value.
  friend bool operator==(const Json& a, const Json& b) { return equal(a, b); }
  // As `dump()`.
  friend std::ostream& operator<<(std::ostream& out, const Json& json);

private:
  enum class Kind : std::uint8_t { null, boolean, integer, natural, real, text, array, object };
  union Scalar {
    std::int64_t integer;
    std::uint64_t natural;  // of Kind::natural: past the largest std::int64_t
    double real;
  };
  struct Body;

  Json(Scalar scalar, Kind kind) noexcept;
  [[noreturn]] void refuse(const char* expected) const;
  std::int64_t integer_within(std::int64_t low, std::int64_t high) const;
  std::uint64_t natural_within(std::uint64_t high) const;
  double real() const;
  bool boolean() const;
  static bool equal(const Json& a, const Json& b);

  template <class T>
  struct Reader;

  Scalar scalar_;
  std::unique_ptr<Body> body_;  // of a text, an array or an object
  Kind kind_;
};

template <class T>
struct Json::Reader {
  static T read(const Json& json) {
    using Limits = std::numeric_limits<T>;
    if constexpr (std::same_as<T, bool>)
      return json.boolean();
    else if constexpr (std::signed_integral<T>)
      return static_cast<T>(json.integer_within(Limits::min(), Limits::max()));
    else if constexpr (std::unsigned_integral<T>)
      return static_cast<T>(json.natural_within(Limits::max()));
    else if constexpr (std::floating_point<T>)
      return static_cast<T>(json.real());
    else {
      static_assert(std::same_as<T, std::string>, "no JSON value is read as this type");
      return json.text();
    }
  }
};

template <class T>
struct Json::Reader<std::vector<T>> {
  static std::vector<T> read(const Json& json) {
    std::vector<T> values;
    values.reserve(json.elements().size());
    for (const Json& value : json.elements()) values.push_back(Reader<T>::read(value));
    return values;
  }
};

template <>
struct Json::Reader<Json> {
  static Json read(const Json& json) { return json; }
};

template <class T, class Compare>
struct Json::Reader<std::map<std::string, T, Compare>> {
  static std::map<std::string, T, Compare> read(const Json& json) {
    std::map<std::string, T, Compare> values;
    for (const auto& [name, value] : json.items()) values.emplace(name, Reader<T>::read(value));
    return values;
  }
};

// Parses `text`, strictly: a key given twice in one object and nesting deeper than `max_depth` are
// refused (copying and printing JSON recurse). `where` starts the message, e.g. the path. Throws
// Error(bad_format) that names line and column. A text that is itself one line of a file says which
// by `line`, counted from 1.
Json parse_json(std::string_view text, const std::string& where = "JSON", int max_depth = 64,
                std::int64_t line = 0);
// null where the text is not JSON.
Json parse_json_or_null(std::string_view text);

// {"first":1,"second":2} in the order given, which an object would not keep. Text that is not UTF-8
// is replaced.
std::string ordered_object(const std::vector<std::pair<std::string, Json>>& members);

}  // namespace hone
