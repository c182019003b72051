#include "hone/numerics/format.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone {

const Format& find_format(const std::string& name) {
  std::vector<std::string> names;
  for (const Format& format : format_table()) {
    if (format.name == name) return format;
    names.push_back(format.name);
  }
  throw Error(ErrorCode::invalid_argument, "unknown format '" + name + "'",
              did_you_mean(name, names));
}

namespace {

void refuse_unused(const Format& format, const Options& given, Options completed,
                   const std::string& rule) {
  completed.set("rule", rule);
  for (const OptionUse& use : format.uses) {
    if (!given.contains(use.option)) continue;
    const auto& values = completed.values();
    const auto other = values.find(use.other);
    if (use.value ? other != values.end() && other->second == *use.value : other == values.end())
      continue;
    const std::string when = !use.value ? "beside " + use.other
                             : use.other == "rule"
                                 ? "under rule " + rule
                                 : fmt::format("without {} = {}", use.other, to_string(*use.value));
    throw Error(ErrorCode::invalid_argument,
                fmt::format("[{}] option '{}' changes nothing {}", format.name, use.option, when),
                use.other == "rule" ? "leave it out, or use rule " + to_string(*use.value)
                                    : "leave it out");
  }
}

}  // namespace

std::unique_ptr<const Quantizer> bind_format(const std::string& name, const std::string& rule,
                                             const Options& options) {
  const Format& format = find_format(name);
  if (rule != "exact" &&
      std::find(format.rules.begin(), format.rules.end(), rule) == format.rules.end())
    throw Error(ErrorCode::invalid_argument, fmt::format("[{}] has no rule '{}'", name, rule),
                fmt::format("its rules are exact{}{}", format.rules.empty() ? "" : ", ",
                            fmt::join(format.rules, ", ")));
  const std::string where = "[" + name + "]";
  Options completed;
  for (const auto& [key, value] : options.values())
    completed.set(key, check_option(find_option(format.options, key, where), value,
                                    where + " option '" + key + "'"));
  for (const OptionSpec& spec : format.options)
    if (!completed.contains(spec.name) && spec.default_value)
      completed.set(spec.name, *spec.default_value);
  refuse_unused(format, options, completed, rule);
  return format.bind(completed, rule);
}

std::string format_options_text(const Options& options) {
  std::string text;
  for (const auto& [name, value] : options.values())
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", name, to_string(value));
  return text;
}

Options parse_format_options(const Format& format, const std::string& text) {
  Options options;
  const std::string where = "[" + format.name + "]";
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string entry = text.substr(at, end - at);
    at = end + 1;
    if (entry.empty()) continue;
    const std::size_t equals = entry.find('=');
    if (equals == std::string::npos)
      throw Error(ErrorCode::invalid_argument, where + " '" + entry + "' is not name=value");
    const std::string name = entry.substr(0, equals);
    options.set(name, parse_option(find_option(format.options, name, where),
                                   entry.substr(equals + 1), where + " option '" + name + "'"));
  }
  return options;
}

}  // namespace hone
