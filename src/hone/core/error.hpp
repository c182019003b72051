// The one exception type of the library. Only cli/ prints it and turns it into an exit code.
#pragma once

#include <stdexcept>
#include <string>

namespace hone {

enum class ErrorCode {
  invalid_argument,  // the caller asked for something that cannot be
  not_found,         // a file, name, key or column that is not there
  bad_format,        // a file or text that does not follow its format
  io,                // the operating system refused (disk full, permissions, network)
  unsupported,       // valid input that hone does not handle
  numeric,           // NaN or infinity where training cannot go on
  interrupted,       // the user asked to stop
  internal           // a defect in hone
};

class Error : public std::runtime_error {
public:
  Error(ErrorCode code, const std::string& message, std::string hint = "")
      : std::runtime_error(message), code_(code), hint_(std::move(hint)) {}

  ErrorCode code() const { return code_; }
  // What happened and where: names the file, the place and what was expected.
  std::string message() const { return what(); }
  // What the user can do about it; may be empty.
  const std::string& hint() const { return hint_; }

private:
  ErrorCode code_;
  std::string hint_;
};

// What the caller asked for cannot be.
[[noreturn]] inline void refuse(const std::string& message, const std::string& hint = "") {
  throw Error(ErrorCode::invalid_argument, message, hint);
}

}  // namespace hone
