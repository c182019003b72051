#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/cli/detail/program.hpp"
#include "hone/core/version.hpp"

namespace hone {
namespace {

constexpr std::size_t help_width = 100;

// `left` in a column, `right` beside it, broken at spaces.
void add_row(std::string& text, const std::string& left, const std::string& right,
             std::size_t column) {
  if (left.size() + 2 > column && column > 0)
    text += fmt::format("  {}\n{:{}}", left, "", column + 2);
  else
    text += fmt::format("  {:<{}}", left, column);
  std::size_t at = column + 2;
  std::size_t begin = 0;
  while (begin < right.size()) {
    const std::size_t end = std::min(right.find(' ', begin), right.size());
    const std::string word = right.substr(begin, end - begin);
    if (at + word.size() + 1 > help_width && at > column + 2) {
      text += fmt::format("\n{:{}}", "", column + 2);
      at = column + 2;
    }
    if (at > column + 2) {
      text += ' ';
      ++at;
    }
    text += word;
    at += word.size();
    begin = end + 1;
  }
  text += '\n';
}

std::string placeholder(const Command& command, const OptionSpec& spec) {
  const auto named = command.placeholders.find(spec.name);
  if (named != command.placeholders.end()) return named->second;
  if (!spec.choices.empty()) return fmt::format("{}", fmt::join(spec.choices, "|"));
  switch (spec.type) {
    case OptionType::integer: return "N";
    case OptionType::real: return "X";
    default: return "TEXT";
  }
}

std::string shown_default(const OptionSpec& spec) {
  if (!spec.default_value || spec.type == OptionType::boolean) return "";
  const std::string value = spec.type == OptionType::real
                                ? fmt::format("{:g}", std::get<double>(*spec.default_value))
                                : to_string(*spec.default_value);
  return value.empty() ? "" : fmt::format(" (default: {})", value);
}

void add_flags(std::string& text, const Command& command) {
  text += "\nOptions:\n";
  for (const OptionSpec& spec : command.options) {
    const auto letter = command.letters.find(spec.name);
    std::string left =
        (letter == command.letters.end() ? "" : fmt::format("-{}, ", letter->second)) +
        flag_name(spec.name);
    if (spec.type != OptionType::boolean) left += " " + placeholder(command, spec);
    // A placeholder of its own hides what may be given.
    const bool hidden = !spec.choices.empty() && command.placeholders.count(spec.name) > 0;
    add_row(text, left,
            spec.help + shown_default(spec) +
                (hidden ? fmt::format("; one of: {}", fmt::join(spec.choices, ", ")) : ""),
            26);
  }
  if (!command.settings.empty() || !command.settings_note.empty())
    add_row(text, "--set KEY=VALUE", "one of the settings below; may be given many times", 26);
  add_row(text, "--json FILE",
          "write the results as JSON; -: to standard output, and all else to standard error", 26);
  add_row(text, "-h, --help", "show this", 26);
}

void add_settings(std::string& text, const Command& command) {
  if (command.settings.empty() && command.settings_note.empty()) return;
  text += "\nSettings (--set key=value):\n";
  for (const OptionSpec& spec : command.settings) {
    std::string right = spec.help + shown_default(spec);
    if (spec.type == OptionType::boolean) right += " (default: false)";
    if (!spec.choices.empty()) right += fmt::format("; one of: {}", fmt::join(spec.choices, ", "));
    add_row(text, spec.name, right, 26);
  }
  if (!command.settings_note.empty()) add_row(text, "", command.settings_note, 0);
}

}  // namespace

std::string program_help() {
  std::string text = fmt::format(
      "hone {}: trains, compresses and runs neural networks\n\n"
      "Usage: hone COMMAND [options]\n\nCommands:\n",
      version);
  for (const Command& command : command_table()) add_row(text, command.name, command.summary, 13);
  text +=
      "\nStart here:\n"
      "  hone run demo                                         train and judge a small model, in a "
      "minute\n"
      "  hone train bert-tiny --data reviews --out runs/first  the same, one setting at a time\n"
      "  hone predict runs/first \"I loved it\"\n"
      "  hone list recipes                                     experiments that hone brings\n"
      "\n'hone COMMAND --help' explains a command. Exit codes: 0 done, 1 error, 2 wrong usage, "
      "130 interrupted.\n";
  return text;
}

std::string command_help(const Command& command) {
  std::string text =
      fmt::format("hone {}: {}\n\nUsage: hone {}", command.name, command.summary, command.name);
  for (const Argument& argument : command.arguments) {
    const std::string name = argument.name + (argument.many ? "..." : "");
    text += argument.required ? " " + name : " [" + name + "]";
  }
  for (const std::string& name : command.required) {
    const OptionSpec& spec = find_option(command.options, name, command.name);
    text += fmt::format(" {} {}", flag_name(name), placeholder(command, spec));
  }
  text += " [options]\n";
  if (!command.arguments.empty()) text += "\nArguments:\n";
  for (const Argument& argument : command.arguments)
    add_row(text, argument.name, argument.help, 26);
  add_flags(text, command);
  add_settings(text, command);
  text += command.examples.size() == 1 ? "\nExample:\n" : "\nExamples:\n";
  for (const std::string& example : command.examples) text += "  " + example + "\n";
  return text;
}

}  // namespace hone
