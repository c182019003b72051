// Options: every table member (op, format, dataset, command, ...) says what it takes; flags, TOML
// keys, `hone list` and the reference pages come from these records.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace hone {

using OptionValue = std::variant<bool, std::int64_t, double, std::string>;

enum class OptionType { boolean, integer, real, text };

struct OptionSpec {
  std::string name;
  OptionType type = OptionType::text;
  // Absent means: required, or (for a command) unset unless given.
  std::optional<OptionValue> default_value;
  std::string help;
  double minimum = -std::numeric_limits<double>::infinity();
  double maximum = std::numeric_limits<double>::infinity();
  // For text: the values allowed; empty means any.
  std::vector<std::string> choices = {};
};

// What every contract begins with.
struct Described {
  std::string name;
  std::string summary;
  std::vector<OptionSpec> options = {};
};

// Values by option name.
class Options {
public:
  Options() = default;
  Options(std::initializer_list<std::pair<const std::string, OptionValue>> values)
      : values_(values) {}

  void set(const std::string& name, OptionValue value) { values_[name] = std::move(value); }
  void erase(const std::string& name) { values_.erase(name); }
  bool contains(const std::string& name) const { return values_.count(name) != 0; }
  // Throw Error(internal) when the option is missing or of another type (integers widen to real).
  bool boolean(const std::string& name) const;
  std::int64_t integer(const std::string& name) const;
  double real(const std::string& name) const;
  const std::string& text(const std::string& name) const;
  // The value, or `fallback` when it is not set.
  std::int64_t integer_or(const std::string& name, std::int64_t fallback) const;
  double real_or(const std::string& name, double fallback) const;
  bool boolean_or(const std::string& name, bool fallback) const;
  std::string text_or(const std::string& name, const std::string& fallback) const;
  const std::map<std::string, OptionValue>& values() const { return values_; }
  bool operator==(const Options&) const = default;

private:
  std::map<std::string, OptionValue> values_;
};

// Text to a value of the option's type, range and choices checked. `where` starts the message, e.g.
// "--lr" or "train.toml: key 'lr'". Throws Error(invalid_argument).
OptionValue parse_option(const OptionSpec& spec, std::string_view text, const std::string& where);
// Checks a value that is already typed; an integer is accepted for a real.
OptionValue check_option(const OptionSpec& spec, OptionValue value, const std::string& where);
// Finds a spec by name; throws Error(invalid_argument) naming the nearest known option.
const OptionSpec& find_option(const std::vector<OptionSpec>& specs, const std::string& name,
                              const std::string& where);
// The member of a table with this name. Throws Error(invalid_argument) "unknown WHAT 'name'" naming
// the nearest known one.
[[noreturn]] void fail_unknown_member(const std::string& what, const std::string& name,
                                      const std::vector<std::string>& known);
template <typename Member>
const Member& find_member(const std::vector<Member>& table, const std::string& name,
                          const std::string& what) {
  std::vector<std::string> known;
  for (const Member& member : table) {
    if (member.name == name) return member;
    known.push_back(member.name);
  }
  fail_unknown_member(what, name, known);
}
// Completes `given` with defaults; an unknown or missing required option is an error.
Options complete_options(const std::vector<OptionSpec>& specs, const Options& given,
                         const std::string& where);
// As it would be typed: 0.1, 3, true, text.
std::string to_string(const OptionValue& value);

}  // namespace hone
