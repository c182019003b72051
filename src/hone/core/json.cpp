#include "hone/core/json.hpp"

#include <algorithm>
#include <ostream>
#include <variant>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone {

struct Json::Body {
  std::variant<std::string, Array, Object> value;
};

Json::Json() noexcept : Json(Scalar{.integer = 0}, Kind::null) {}
Json::Json(std::nullptr_t) noexcept : Json() {}
Json::Json(Scalar scalar, Kind kind) noexcept : scalar_(scalar), kind_(kind) {}
Json::Json(std::uint64_t value) noexcept : scalar_{.natural = value}, kind_(Kind::natural) {
  // One form for each number: what fits is an int64.
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return;
  scalar_.integer = static_cast<std::int64_t>(value);
  kind_ = Kind::integer;
}

Json::Json(const char* text) : Json(std::string(text)) {}
Json::Json(std::string_view text) : Json(std::string(text)) {}
Json::Json(std::string text) : scalar_{}, body_(new Body{std::move(text)}), kind_(Kind::text) {}
Json::Json(Array values) : scalar_{}, body_(new Body{std::move(values)}), kind_(Kind::array) {}
Json::Json(Object members) : scalar_{}, body_(new Body{std::move(members)}), kind_(Kind::object) {}

Json::Json(std::initializer_list<Json> values) : Json() {
  const bool named = std::all_of(values.begin(), values.end(), [](const Json& value) {
    return value.is_array() && value.size() == 2 && value[0].is_string();
  });
  *this = named ? object(values) : array(values);
}

Json Json::array(std::initializer_list<Json> values) { return Json(Array(values)); }

Json Json::object(std::initializer_list<Json> members) {
  Object object;
  for (const Json& member : members) object.emplace(member[0].text(), member[1]);
  return Json(std::move(object));
}

Json::Json(const Json& other)
    : scalar_(other.scalar_),
      body_(other.body_ == nullptr ? nullptr : new Body(*other.body_)),
      kind_(other.kind_) {}

Json::Json(Json&& other) noexcept
    : scalar_(other.scalar_),
      body_(std::move(other.body_)),
      kind_(std::exchange(other.kind_, Kind::null)) {}

Json& Json::operator=(const Json& other) { return *this = Json(other); }

Json& Json::operator=(Json&& other) noexcept {
  // By way of a third: `other` may lie inside this.
  Json taken(std::move(other));
  std::swap(scalar_, taken.scalar_);
  std::swap(body_, taken.body_);
  std::swap(kind_, taken.kind_);
  return *this;
}

Json::~Json() = default;

const char* Json::type_name() const {
  switch (kind_) {
    case Kind::null: return "null";
    case Kind::boolean: return "a boolean";
    case Kind::integer:
    case Kind::natural: return "an integer";
    case Kind::real: return "a number";
    case Kind::text: return "a text";
    case Kind::array: return "an array";
    case Kind::object: break;
  }
  return "an object";
}

void Json::refuse(const char* expected) const {
  throw Error(ErrorCode::bad_format, fmt::format("expected {}, found {}", expected, type_name()));
}

bool Json::boolean() const {
  if (!is_boolean()) refuse("a boolean");
  return scalar_.integer != 0;
}

double Json::real() const {
  switch (kind_) {
    case Kind::integer: return static_cast<double>(scalar_.integer);
    case Kind::natural: return static_cast<double>(scalar_.natural);
    case Kind::real: return scalar_.real;
    default: refuse("a number");
  }
}

std::int64_t Json::integer_within(std::int64_t low, std::int64_t high) const {
  if (!is_number_integer()) refuse("an integer");
  if (kind_ == Kind::natural || scalar_.integer < low || scalar_.integer > high)
    throw Error(ErrorCode::bad_format,
                fmt::format("expected an integer from {} to {}, found {}", low, high, dump()));
  return scalar_.integer;
}

std::uint64_t Json::natural_within(std::uint64_t high) const {
  if (!is_number_integer()) refuse("an integer");
  const bool negative = kind_ == Kind::integer && scalar_.integer < 0;
  const std::uint64_t value =
      kind_ == Kind::natural ? scalar_.natural : static_cast<std::uint64_t>(scalar_.integer);
  if (negative || value > high)
    throw Error(ErrorCode::bad_format,
                fmt::format("expected an integer from 0 to {}, found {}", high, dump()));
  return value;
}

const std::string& Json::text() const {
  if (!is_string()) refuse("a text");
  return std::get<std::string>(body_->value);
}

const Json::Array& Json::elements() const {
  if (!is_array()) refuse("an array");
  return std::get<Array>(body_->value);
}

Json::Array& Json::elements() {
  if (!is_array()) refuse("an array");
  return std::get<Array>(body_->value);
}

const Json::Object& Json::items() const {
  if (!is_object()) refuse("an object");
  return std::get<Object>(body_->value);
}

std::size_t Json::size() const {
  if (is_array()) return elements().size();
  if (is_object()) return items().size();
  return is_null() ? 0 : 1;
}

const Json* Json::begin() const { return elements().data(); }
const Json* Json::end() const { return begin() + elements().size(); }
Json* Json::begin() { return elements().data(); }
Json* Json::end() { return begin() + elements().size(); }

const Json& Json::operator[](std::size_t index) const {
  const Array& values = elements();
  if (index >= values.size())
    throw Error(
        ErrorCode::bad_format,
        fmt::format("expected an array of more than {} elements, found {}", index, values.size()));
  return values[index];
}

Json& Json::operator[](std::size_t index) { return const_cast<Json&>(std::as_const(*this)[index]); }

Json& Json::back() { return (*this)[size() - 1]; }

void Json::push_back(Json value) {
  if (is_null()) *this = Json(Array{});
  elements().push_back(std::move(value));
}

const Json* Json::find_member(std::string_view name) const {
  if (!is_object()) return nullptr;
  const Object& members = items();
  const auto found = members.find(name);
  return found == members.end() ? nullptr : &found->second;
}

const Json& Json::at(std::string_view name) const {
  if (!is_object()) refuse("an object");
  const Json* found = find_member(name);
  if (found == nullptr)
    throw Error(ErrorCode::bad_format, fmt::format("key '{}' is missing", printable(name)));
  return *found;
}

Json& Json::at(std::string_view name) { return const_cast<Json&>(std::as_const(*this).at(name)); }

Json& Json::operator[](std::string_view name) {
  if (is_null()) *this = Json(Object{});
  if (!is_object()) refuse("an object");
  auto& members = std::get<Object>(body_->value);
  const auto found = members.find(name);
  return found != members.end() ? found->second : members[std::string(name)];
}

void Json::erase(std::string_view name) {
  if (!is_object()) refuse("an object");
  auto& members = std::get<Object>(body_->value);
  if (const auto found = members.find(name); found != members.end()) members.erase(found);
}

bool Json::equal(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) {
    if (a.kind_ == Kind::real || b.kind_ == Kind::real) return a.real() == b.real();
    if (a.kind_ != b.kind_) return false;
    return a.kind_ == Kind::natural ? a.scalar_.natural == b.scalar_.natural
                                    : a.scalar_.integer == b.scalar_.integer;
  }
  if (a.kind_ != b.kind_) return false;
  if (a.is_null()) return true;
  return a.is_boolean() ? a.scalar_.integer == b.scalar_.integer : a.body_->value == b.body_->value;
}

namespace {

nlohmann::json printed_form(const Json& json) {
  if (json.is_null()) return nullptr;
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_unsigned()) return json.get<std::uint64_t>();
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return json.text();
  if (json.is_array()) {
    nlohmann::json array = nlohmann::json::array();
    for (const Json& value : json) array.push_back(printed_form(value));
    return array;
  }
  nlohmann::json object = nlohmann::json::object();
  for (const auto& [name, value] : json.items()) object.emplace(name, printed_form(value));
  return object;
}

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

// Builds the value while the library reads the text.
class Builder : public nlohmann::json_sax<nlohmann::json> {
public:
  Builder(std::string_view text, const std::string& where, int max_depth, std::int64_t line)
      : text_(text),
        where_(line > 0 ? fmt::format("{}: line {}", where, line) : where),
        max_depth_(static_cast<std::size_t>(max_depth)),
        is_line_(line > 0) {}

  Json take() { return std::move(root_); }

  bool null() override { return add(Json()); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(std::int64_t value) override { return add(value); }
  bool number_unsigned(std::uint64_t value) override { return add(value); }
  bool number_float(double value, const std::string&) override { return add(value); }
  bool string(std::string& value) override { return add(std::move(value)); }
  bool binary(nlohmann::json::binary_t&) override { return false; }  // not in JSON text
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string& name) override {
    Json& object = *open_.back();
    if (object.contains(name))
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: key '{}' is given twice", where_, printable(name)));
    member_ = &object[name];
    return true;
  }

  bool parse_error(std::size_t byte, const std::string&,
                   const nlohmann::detail::exception& error) override {
    // A number past the largest double is no fault of the file's form.
    if (dynamic_cast<const nlohmann::json::out_of_range*>(&error) != nullptr)
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: not valid JSON: {}", where_, reason(error.what())));
    if (is_line_)
      throw Error(
          ErrorCode::bad_format,
          fmt::format("{}, column {}: not valid JSON: {}", where_,
                      std::clamp<std::size_t>(byte, 1, text_.size() + 1), reason(error.what())),
          "every line must be JSON of its own");
    throw Error(
        ErrorCode::bad_format,
        fmt::format("{}: {}: not valid JSON: {}", where_, place(text_, byte), reason(error.what())),
        "the file may be truncated: copy or download it again");
  }

private:
  // Where the next value goes: the root, the member just named, or the end of the open array.
  Json& next() {
    if (open_.empty()) return root_;
    if (open_.back()->is_object()) return *member_;
    Json::Array& values = open_.back()->elements();
    return values.emplace_back();
  }

  bool add(Json value) {
    next() = std::move(value);
    return true;
  }

  bool open(Json value) {
    if (open_.size() >= max_depth_)
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: JSON nested deeper than {} levels", where_, max_depth_));
    Json& place = next();
    place = std::move(value);
    open_.push_back(&place);
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view text_;
  std::string where_;
  std::size_t max_depth_;
  bool is_line_;
  Json root_;
  Json* member_ = nullptr;
  // An array grows only while it is the last of these, so that no address changes.
  std::vector<Json*> open_;
};

}  // namespace

std::string Json::dump(int indent, bool ascii_only) const {
  return printed_form(*this).dump(indent, ' ', ascii_only,
                                  nlohmann::json::error_handler_t::replace);
}

std::ostream& operator<<(std::ostream& out, const Json& json) { return out << json.dump(); }

Json parse_json(std::string_view text, const std::string& where, int max_depth, std::int64_t line) {
  Builder builder(text, where, max_depth, line);
  nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

Json parse_json_or_null(std::string_view text) {
  try {
    return parse_json(text);
  } catch (const Error&) {
    return nullptr;
  }
}

std::string ordered_object(const std::vector<std::pair<std::string, Json>>& members) {
  std::string text;
  for (const auto& [name, value] : members)
    text += fmt::format("{}{}:{}", text.empty() ? "{" : ",", Json(name).dump(), value.dump());
  return text.empty() ? "{}" : text + "}";
}

}  // namespace hone
