// The contract of a command: one file in cli/ a member, cli/NAME.cpp.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "hone/core/options.hpp"
#include "hone/recipes/loading.hpp"

namespace hone {

// A word of the command line without a flag.
struct Argument {
  std::string name;  // as help shows it: MODEL
  std::string help;
  bool required = true;
  bool many = false;  // takes all that follow
};

// What was typed, checked.
struct CommandInput {
  Options
      options;  // the flags given (and defaults), by OptionSpec name: --max-length is max_length
  std::map<std::string, std::vector<std::string>> arguments;
  TextSettings settings;  // --set key=value, in order
  std::string line;       // the whole command as typed

  bool has(const std::string& argument) const;
  // The only value of an argument, or "".
  std::string argument(const std::string& name) const;
};

struct CommandResult;  // cli/command_result.hpp

// `options` are the flags: "max_length" is --max-length; one without a default is unset unless
// given. Every command also has --json and --help.
struct Command : Described {
  std::vector<Argument> arguments = {};
  // How help calls the value of a flag (FILE, DIR, N); else made of its type.
  std::map<std::string, std::string> placeholders = {};
  std::map<std::string, char> letters = {};  // short names of flags
  std::vector<std::string> required = {};    // flags that must be given
  std::vector<std::string> examples = {};
  // The keys --set takes, for the help; empty and no `settings_note`: there is no --set.
  std::vector<OptionSpec> settings = {};
  std::string settings_note = {};
  CommandResult (*run)(const CommandInput& input) = nullptr;
};

// Every command (generated from the folder).
const std::vector<Command>& command_table();

}  // namespace hone
