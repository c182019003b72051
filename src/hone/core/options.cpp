#include "hone/core/options.hpp"

#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone {
namespace {

template <typename T>
const T* get(const std::map<std::string, OptionValue>& values, const std::string& name) {
  const auto found = values.find(name);
  return found == values.end() ? nullptr : std::get_if<T>(&found->second);
}

[[noreturn]] void missing(const std::string& name) {
  throw Error(ErrorCode::internal, "option '" + name + "' is missing or has another type");
}

std::string_view type_name(OptionType type) {
  switch (type) {
    case OptionType::boolean: return "true or false";
    case OptionType::integer: return "a whole number";
    case OptionType::real: return "a number";
    case OptionType::text: return "text";
  }
  return "";
}

template <typename T>
bool parse_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

bool Options::boolean(const std::string& name) const {
  const bool* value = get<bool>(values_, name);
  return value != nullptr ? *value : (missing(name), false);
}

std::int64_t Options::integer(const std::string& name) const {
  const auto* value = get<std::int64_t>(values_, name);
  return value != nullptr ? *value : (missing(name), 0);
}

double Options::real(const std::string& name) const {
  if (const auto* whole = get<std::int64_t>(values_, name)) return static_cast<double>(*whole);
  const double* value = get<double>(values_, name);
  return value != nullptr ? *value : (missing(name), 0.0);
}

const std::string& Options::text(const std::string& name) const {
  const auto* value = get<std::string>(values_, name);
  if (value == nullptr) missing(name);
  return *value;
}

std::int64_t Options::integer_or(const std::string& name, std::int64_t fallback) const {
  return contains(name) ? integer(name) : fallback;
}

double Options::real_or(const std::string& name, double fallback) const {
  return contains(name) ? real(name) : fallback;
}

bool Options::boolean_or(const std::string& name, bool fallback) const {
  return contains(name) ? boolean(name) : fallback;
}

std::string Options::text_or(const std::string& name, const std::string& fallback) const {
  return contains(name) ? text(name) : fallback;
}

OptionValue parse_option(const OptionSpec& spec, std::string_view text, const std::string& where) {
  const auto wrong = [&]() -> Error {
    return {ErrorCode::invalid_argument,
            fmt::format("{}: expected {}, got '{}'", where, type_name(spec.type), text)};
  };
  switch (spec.type) {
    case OptionType::boolean:
      if (text == "true" || text == "1" || text == "yes" || text == "on") return true;
      if (text == "false" || text == "0" || text == "no" || text == "off") return false;
      throw wrong();
    case OptionType::integer: {
      std::int64_t value = 0;
      if (!parse_number(text, value)) throw wrong();
      return check_option(spec, value, where);
    }
    case OptionType::real: {
      double value = 0;
      if (!parse_number(text, value)) throw wrong();
      return check_option(spec, value, where);
    }
    case OptionType::text: return check_option(spec, std::string(text), where);
  }
  throw wrong();
}

OptionValue check_option(const OptionSpec& spec, OptionValue value, const std::string& where) {
  if (spec.type == OptionType::real) {
    if (const auto* whole = std::get_if<std::int64_t>(&value)) value = static_cast<double>(*whole);
  }
  if (value.index() != static_cast<std::size_t>(spec.type))
    throw Error(ErrorCode::invalid_argument, fmt::format("{}: expected {}, got '{}'", where,
                                                         type_name(spec.type), to_string(value)));
  if (spec.type == OptionType::integer || spec.type == OptionType::real) {
    const double number = spec.type == OptionType::integer
                              ? static_cast<double>(std::get<std::int64_t>(value))
                              : std::get<double>(value);
    if (!(number >= spec.minimum && number <= spec.maximum)) {
      const std::string range = std::isinf(spec.maximum) ? fmt::format("at least {}", spec.minimum)
                                : std::isinf(spec.minimum)
                                    ? fmt::format("at most {}", spec.maximum)
                                    : fmt::format("from {} to {}", spec.minimum, spec.maximum);
      throw Error(ErrorCode::invalid_argument, fmt::format("{}: {} is out of range: it must be {}",
                                                           where, to_string(value), range));
    }
  }
  if (spec.type == OptionType::text && !spec.choices.empty()) {
    const auto& text = std::get<std::string>(value);
    bool found = false;
    for (const std::string& choice : spec.choices) found = found || choice == text;
    if (!found)
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("{}: '{}' is not one of {}", where, text, fmt::join(spec.choices, ", ")),
          did_you_mean(text, spec.choices));
  }
  return value;
}

const OptionSpec& find_option(const std::vector<OptionSpec>& specs, const std::string& name,
                              const std::string& where) {
  std::vector<std::string> names;
  for (const OptionSpec& spec : specs) {
    if (spec.name == name) return spec;
    names.push_back(spec.name);
  }
  throw Error(ErrorCode::invalid_argument, fmt::format("{}: unknown key '{}'", where, name),
              did_you_mean(name, names));
}

void fail_unknown_member(const std::string& what, const std::string& name,
                         const std::vector<std::string>& known) {
  throw Error(ErrorCode::invalid_argument, fmt::format("unknown {} '{}'", what, name),
              did_you_mean(name, known));
}

Options complete_options(const std::vector<OptionSpec>& specs, const Options& given,
                         const std::string& where) {
  Options complete;
  for (const auto& [name, value] : given.values())
    complete.set(name, check_option(find_option(specs, name, where), value,
                                    fmt::format("{}: key '{}'", where, name)));
  for (const OptionSpec& spec : specs) {
    if (complete.contains(spec.name)) continue;
    if (!spec.default_value)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: key '{}' is missing", where, spec.name));
    complete.set(spec.name, *spec.default_value);
  }
  return complete;
}

std::string to_string(const OptionValue& value) {
  if (const bool* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return std::to_string(*whole);
  if (const double* number = std::get_if<double>(&value)) {
    // The shortest text that reads back to the same number, always recognisable as real.
    std::string text = fmt::format("{}", *number);
    if (text.find_first_of(".en") == std::string::npos) text += ".0";
    return text;
  }
  return std::get<std::string>(value);
}

}  // namespace hone
