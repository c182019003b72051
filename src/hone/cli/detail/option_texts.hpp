// An option as lists show it and as their JSON has it.
#pragma once

#include <string>

#include "hone/core/json.hpp"
#include "hone/core/options.hpp"

namespace hone {

// Its help with default, range and choices.
std::string describe_option(const OptionSpec& spec);
// "1 to 32", "0 or more", "at most 1"; "" without a range.
std::string describe_range(const OptionSpec& spec);
// {name, type, help} and, where there are any, default, minimum, maximum, choices.
Json option_json(const OptionSpec& spec);

}  // namespace hone
