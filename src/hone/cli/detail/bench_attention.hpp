// `hone bench attention`: no model, but attention alone, by two forms.
#pragma once

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"

namespace hone {

// The options that only attention takes.
std::vector<OptionSpec> attention_bench_options();
// Throws UsageError where one of these is given, or a form of attention as the mode.
void refuse_attention_options(const CommandInput& input);

CommandResult run_bench_attention(const CommandInput& input);

}  // namespace hone
