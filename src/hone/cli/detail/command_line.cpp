#include <algorithm>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "hone/cli/detail/program.hpp"
#include "hone/core/text.hpp"

namespace hone {
namespace {

// Where CLI11 puts the texts before they are checked.
struct Texts {
  std::map<std::string, std::string> flags;
  std::map<std::string, bool> switches;
  std::map<std::string, std::string> single;  // arguments that are one word
  std::map<std::string, std::vector<std::string>> many;
  std::vector<std::string> settings;
};

std::string names_of(const Command& command, const OptionSpec& spec) {
  const auto letter = command.letters.find(spec.name);
  return (letter == command.letters.end() ? "" : fmt::format("-{},", letter->second)) +
         flag_name(spec.name);
}

void add_flags(CLI::App& app, const Command& command, Texts& texts) {
  for (const OptionSpec& spec : command.options) {
    if (spec.type == OptionType::boolean)
      app.add_flag(names_of(command, spec), texts.switches[spec.name]);
    else
      app.add_option(names_of(command, spec), texts.flags[spec.name])
          ->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  }
  app.add_option("--json", texts.flags["json"]);
  if (!command.settings.empty() || !command.settings_note.empty())
    app.add_option("--set", texts.settings)->allow_extra_args(false);
  for (const Argument& argument : command.arguments) {
    if (argument.many)
      app.add_option(argument.name, texts.many[argument.name]);
    else
      app.add_option(argument.name, texts.single[argument.name]);
  }
}

std::vector<std::string> known_flags(const Command& command) {
  std::vector<std::string> names{"--json", "--help"};
  if (!command.settings.empty() || !command.settings_note.empty()) names.push_back("--set");
  for (const OptionSpec& spec : command.options) names.push_back(flag_name(spec.name));
  return names;
}

void check_extras(const CLI::App& app, const Command& command) {
  std::vector<std::string> extras = app.remaining();
  std::erase(extras, "--");
  if (extras.empty()) return;
  const auto flag = std::find_if(extras.begin(), extras.end(), [](const std::string& word) {
    return word.rfind("-", 0) == 0 && word != "-";
  });
  if (flag == extras.end())
    throw UsageError(fmt::format("unexpected '{}'", printable(extras.front(), 100)),
                     fmt::format("see hone {} --help", command.name));
  const std::string name = flag->substr(0, flag->find('='));
  // A key of --set is often taken for a flag.
  for (const OptionSpec& spec : command.settings)
    if (flag_name(spec.name) == name)
      throw UsageError(fmt::format("unknown option '{}'", name),
                       fmt::format("write --set {}=VALUE", spec.name));
  throw UsageError(fmt::format("unknown option '{}'", printable(name, 100)),
                   did_you_mean(name, known_flags(command)));
}

void check_required(const Command& command, const CommandInput& input) {
  for (const Argument& argument : command.arguments)
    if (argument.required && !input.has(argument.name))
      throw UsageError(fmt::format("{} is missing: {}", argument.name, argument.help),
                       fmt::format("see hone {} --help", command.name));
  for (const std::string& name : command.required)
    if (!input.options.contains(name))
      throw UsageError(fmt::format("{} is missing", flag_name(name)),
                       fmt::format("see hone {} --help", command.name));
}

}  // namespace

std::string flag_name(const std::string& option) {
  std::string name = "--" + option;
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

CommandInput parse_command_line(const Command& command, const std::vector<std::string>& words) {
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  Texts texts;
  add_flags(app, command, texts);
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ArgumentMismatch& error) {
    // CLI11 says "At Most 1 required but received 2".
    for (const OptionSpec& spec : command.options)
      if (app.get_option(flag_name(spec.name))->count() > 1)
        throw UsageError(flag_name(spec.name) + " is given more than once", "give it once");
    const std::string text = error.what();  // "--json: 1 required TEXT missing"
    if (text.rfind("--", 0) == 0 && text.find("missing") != text.npos)
      throw UsageError(text.substr(0, text.find(':')) + ": a value is missing",
                       fmt::format("see hone {} --help", command.name));
    throw UsageError(printable(error.what(), 300), fmt::format("see hone {} --help", command.name));
  } catch (const CLI::ParseError& error) {
    throw UsageError(printable(error.what(), 300), fmt::format("see hone {} --help", command.name));
  }
  check_extras(app, command);
  CommandInput input;
  for (const OptionSpec& spec : command.options) {
    const bool given = app.count(flag_name(spec.name)) > 0;
    try {
      if (given && spec.type == OptionType::boolean)
        input.options.set(spec.name, texts.switches[spec.name]);
      else if (given)
        input.options.set(spec.name,
                          parse_option(spec, texts.flags[spec.name], flag_name(spec.name)));
    } catch (const Error& error) {
      throw UsageError(error.message(), error.hint());
    }
  }
  if (app.count("--json") > 0) input.options.set("json", texts.flags["json"]);
  input.arguments = texts.many;
  for (const Argument& argument : command.arguments)
    if (!argument.many && app.count(argument.name) > 0)
      input.arguments[argument.name] = {texts.single[argument.name]};
  for (const std::string& setting : texts.settings) {
    try {
      auto parted = split_setting(setting, "--set");
      for (const auto& [key, value] : input.settings)
        if (key == parted.first && value != parted.second)
          throw UsageError(
              fmt::format("--set {} is given as {} and as {}", key, value, parted.second),
              "give it once");
      input.settings.push_back(std::move(parted));
    } catch (const Error& error) {
      throw UsageError(error.message(), error.hint());
    }
  }
  check_required(command, input);
  return input;
}

}  // namespace hone
