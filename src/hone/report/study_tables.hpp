// The tables of a report of studies, for the terminal and the page.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "hone/report/study_summary.hpp"
#include "hone/report/tables.hpp"

namespace hone {

// Of the page; more rows are left to `hone study export`.
inline constexpr std::size_t most_trial_rows = 1000;

// id `studies`: one row a study.
ReportTable studies_table(std::span<const StudySummary> studies);
// id `importance`: a row a parameter that has more than one value, the most important first.
// Without rows where nothing is known.
ReportTable importance_table(const StudySummary& study);
// id `best`: the best trials and those that are tied with the best, the better first.
ReportTable best_table(const StudySummary& study);
// id `trials`: by number, the first `most_trial_rows` of them.
ReportTable trials_table(const StudySummary& study);

// A sentence and all of these tables, as text.
std::string render_studies(std::span<const StudySummary> studies,
                           const TerminalReportOptions& options);

}  // namespace hone
