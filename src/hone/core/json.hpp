// JSON from files that nobody vouches for.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace hone {

// Parses `text`, stricter than the library alone: a key given twice in one object and nesting
// deeper than `max_depth` are refused (copying and printing JSON recurse). `where` starts the
// message, e.g. the path. Throws Error(bad_format) that names line and column.
nlohmann::json parse_json(std::string_view text, const std::string& where, int max_depth = 64);

}  // namespace hone
