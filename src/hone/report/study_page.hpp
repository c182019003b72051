// Studies as the page draws them.
#pragma once

#include <span>

#include "hone/core/json.hpp"
#include "hone/report/study_summary.hpp"

namespace hone {

// {title, finding, curves[...], studies[...], table}: what is not known is null. See
// template/studies.js.
Json study_page_data(std::span<const StudySummary> studies);

}  // namespace hone
