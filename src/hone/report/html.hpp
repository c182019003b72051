// The report as one HTML page that needs nothing else: no network, no other file. plotly.js is in
// it as gzip in base64, which the browser unpacks: a page takes less than 2 MB.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "hone/core/json.hpp"
#include "hone/report/study_summary.hpp"
#include "hone/report/summary.hpp"

namespace hone {

// Curves of more steps are thinned to at most this many points, keeping their extremes; where many
// runs share a page, to fewer.
inline constexpr std::size_t most_points_drawn = 1900;
std::size_t points_of_curve(std::size_t runs);

// What the page draws: {title, finding, runs[...], tables[...], split, point_limit}. Not-recorded
// is null.
Json report_data(std::span<const RunSummary> runs);
// The names of the runs.
std::string report_title(std::span<const RunSummary> runs);

// JSON that is safe inside a script element: nothing in it can end the element or open a comment.
std::string json_for_script(const Json& value);

// Writes the page, complete or not at all: of runs, of studies, or of both. Without any:
// Error(invalid_argument). When hone was built without plotly.js: Error(unsupported).
void write_html_report(const std::filesystem::path& path, std::span<const RunSummary> runs,
                       std::span<const StudySummary> studies = {});

}  // namespace hone
