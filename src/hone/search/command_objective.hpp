// Any program as objective. It is started once; what it is asked and answers are lines of JSON:
//   {"trial": 7, "params": {...}}         on its standard input, one a trial
//   {"step": 3, "value": 0.4}             any number of them, each answered {"stop": false}
//   {"values": [...]}                     ends the trial; optional "constraints" (a list, or by
//                                         name) and "user_attrs"; {"error": "..."} fails it
// A program that ends fails its trial; it is started again for the next one. So does one that says
// what is none of these, and it is ended first.
#pragma once

#include <filesystem>
#include <memory>

#include "hone/search/objective.hpp"

namespace hone {

// `folder`: where it is started. A program that was told to stop has `stop_patience` seconds to
// answer, then it is ended, and its trial is pruned. Throws Error(invalid_argument) when the
// command is empty.
std::unique_ptr<Objective> command_objective(std::vector<std::string> command,
                                             const std::filesystem::path& folder,
                                             double stop_patience = 60);

}  // namespace hone
