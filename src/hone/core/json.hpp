// JSON from files that nobody vouches for, and JSON in a given order.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json_fwd.hpp>

namespace hone {

// Parses `text`, stricter than the library alone: a key given twice in one object and nesting
// deeper than `max_depth` are refused (copying and printing JSON recurse). `where` starts the
// message, e.g. the path. Throws Error(bad_format) that names line and column.
nlohmann::json parse_json(std::string_view text, const std::string& where, int max_depth = 64);

// {"first":1,"second":2} in the order given, which an object of the library would not keep. Text
// that is not UTF-8 is replaced.
std::string ordered_object(std::initializer_list<std::pair<const char*, nlohmann::json>> members);

}  // namespace hone
