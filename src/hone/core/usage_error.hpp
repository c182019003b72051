#pragma once

#include "hone/core/error.hpp"

namespace hone {

// Options that are wrong, or do not go together: the program says so with an exit code of its own.
struct UsageError : Error {
  explicit UsageError(const std::string& message, const std::string& hint = "")
      : Error(ErrorCode::invalid_argument, message, hint) {}
};

}  // namespace hone
