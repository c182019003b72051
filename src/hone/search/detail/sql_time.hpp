// Times in databases: UTC without a zone, "2026-11-29 15:17:16.753249".
#pragma once

#include <string>
#include <string_view>

#include "hone/search/trial.hpp"

namespace hone {

std::string print_sql_time(Time time);
// With any number of digits after the point; a zone behind it is left out. Throws
// Error(bad_format).
Time parse_sql_time(std::string_view text);

}  // namespace hone
