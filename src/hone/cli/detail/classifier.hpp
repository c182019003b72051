// A saved classifier with its tokenizer, as eval and predict use it.
#pragma once

#include <string>
#include <vector>

#include "hone/cli/command.hpp"
#include "hone/data/tokenizer.hpp"
#include "hone/model/model.hpp"
#include "hone/passes/pipelines.hpp"

namespace hone {

struct Classifier {
  Model model;
  Tokenizer tokenizer;
  std::int64_t max_length;
  Mode mode;
};

// Flags of every command that runs a classifier: --tokenizer --max-length --mode --threads.
std::vector<OptionSpec> classifier_flags();
// Loads MODEL with its tokenizer; says on the console what was initialised or left unused.
// Without `check_values` NaN in the weights is not looked for.
Classifier load_classifier(const CommandInput& input, const std::string& data_kind,
                           bool check_values = true);

}  // namespace hone
