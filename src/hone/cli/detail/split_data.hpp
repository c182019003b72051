// The split of a data set that a command judges models on.
#pragma once

#include <vector>

#include "hone/cli/command.hpp"
#include "hone/cli/detail/classifier.hpp"

namespace hone {

// --data and --split, and the settings that go with them: padding, validation, seed.
std::vector<OptionSpec> split_flags(const char* default_split);
const std::vector<OptionSpec>& split_settings();
// What the flags and settings ask for. Throws Error(invalid_argument) for a setting that changes
// nothing on the split.
DataRequest split_request(const CommandInput& input, const Settings& given,
                          const char* default_split);
// Tokenizes it for a classifier, with progress on the console.
TokenizedData load_split_for(const Classifier& classifier, DataRequest request);

}  // namespace hone
