// What a command returns, apart from the contract: most helpers of commands need no JSON.
#pragma once

#include <string>

#include "hone/core/json.hpp"

namespace hone {

struct CommandResult {
  int exit_code = 0;
  Json results = Json::object();  // what --json writes
  std::string text = {};          // JSON that it writes instead, where there is much of it
};

}  // namespace hone
