// JSON as Python's json module writes and reads it: numbers that are not finite are the bare words
// NaN, Infinity and -Infinity. Studies that Optuna shares with hone hold such text.
#pragma once

#include <string>
#include <string_view>

#include "hone/core/json.hpp"

namespace hone {

std::string to_python_json(const Json& json);
// Throws Error(bad_format) naming `where`.
Json parse_python_json(std::string_view text, const std::string& where);

}  // namespace hone
