// Flags and --set together.
#pragma once

#include "hone/cli/command.hpp"

namespace hone {

// --set sorted by sort_settings, with the flags that `specs` names among its values. Throws
// UsageError for unknown keys, bad values, a value given by flag and by --set, and data.KEY where
// the command reads no data.
Settings command_settings(const CommandInput& input, const std::vector<OptionSpec>& specs,
                          bool model_sizes);

// The specs with these names, and those without.
std::vector<OptionSpec> pick(const std::vector<OptionSpec>& specs,
                             const std::vector<std::string>& names);
std::vector<OptionSpec> leave_out(const std::vector<OptionSpec>& specs,
                                  const std::vector<std::string>& names);

// --threads, or all cores.
void apply_threads(const CommandInput& input);

}  // namespace hone
