// How numbers and tables are given to a page.
#pragma once

#include "hone/core/json.hpp"
#include "hone/report/tables.hpp"

namespace hone {

// Six digits are more than a plot shows and keep the page small; NaN and infinity become null.
Json rounded(double value);
// {id, title, note, columns [{title, right}], rows [{cells, differs}]}
Json table_data(const ReportTable& table);

}  // namespace hone
