// What a command returns, apart from the contract: most helpers of commands need no JSON.
#pragma once

#include <nlohmann/json.hpp>

namespace hone {

struct CommandResult {
  int exit_code = 0;
  nlohmann::json results = nlohmann::json::object();  // what --json writes
};

}  // namespace hone
