// The program: finds the command, reads its flags, prints errors, gives the exit code.
#pragma once

#include <string>

#include "hone/cli/command.hpp"
#include "hone/core/usage_error.hpp"

namespace hone {

// 0: done; 1: error; 2: the command line is wrong; 130: interrupted.
inline constexpr int exit_error = 1;
inline constexpr int exit_usage = 2;
inline constexpr int exit_interrupted = 130;

// Prints everything itself; never throws.
int run_program(int argc, char** argv);

std::string program_help();
std::string command_help(const Command& command);
// "--max-length" of "max_length".
std::string flag_name(const std::string& option);

// Reads the words after the command's name. Throws UsageError.
CommandInput parse_command_line(const Command& command, const std::vector<std::string>& words);

}  // namespace hone
