// Studies as their reports show them.
#pragma once

#include <string>
#include <vector>

#include "hone/recipes/search_run.hpp"
#include "hone/report/study_summary.hpp"

namespace hone {

// The studies of an address: the one that it names, all where it names none. Throws
// Error(not_found) where there are none.
std::vector<OpenStudy> open_studies(const std::string& address);

// Of studies that are shown together: their names become different, their hypervolumes are measured
// in one box where their objectives are the same.
//
// The interval of an objective NAME is read from the user attributes NAME_low and NAME_high of its
// trials.
std::vector<StudySummary> summarize_studies(const std::vector<OpenStudy>& studies);

}  // namespace hone
