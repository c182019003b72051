// Studies as JSON and CSV, with the fields of Optuna's FrozenTrial and trials_dataframe.
#pragma once

#include <string>

#include "hone/search/study.hpp"

namespace hone {

// number, state, values, params, distributions, user_attrs, system_attrs, intermediate_values,
// datetime_start, datetime_complete. Times are ISO 8601 with a zone; what is not finite is "NaN",
// "Infinity" or "-Infinity".
Json trial_json(const Trial& trial);
// All trials as text: a JSON list, a trial a line. (Values in memory take ten times the room and
// the time.)
std::string trials_text(const Study& study);
// name, directions, metric_names, user_attrs, best (numbers), states (how many by state).
Json study_json(const Study& study);
// study_json with the member `trials`, as text.
std::string study_text(const Study& study);
// The columns of trials_dataframe, with its index; times are local, without a zone.
std::string trials_csv(const Study& study);

// "minimize", "maximize".
const char* to_string(Direction direction);
// Of the study; null where it has none.
Json metric_names_of(const StudyData& study);
// That of one objective; without names "value", or "value 0", "value 1", ... of several.
std::string objective_name(const StudyData& study, std::size_t i);

}  // namespace hone
