// --out of commands that write a changed model.
#pragma once

#include "hone/cli/command.hpp"

namespace hone {

// A model in --out is replaced only with --overwrite, the model that is read (argument MODEL)
// never. Throws UsageError or Error(invalid_argument).
void refuse_replacing(const CommandInput& input);
// The same of commands that also take away the run in --out: a model is replaced only if that is
// asked for (--overwrite, or --resume of its run), the model that is read (argument MODEL) never.
// Throws UsageError or Error(invalid_argument).
void refuse_overwriting(const CommandInput& input);

}  // namespace hone
