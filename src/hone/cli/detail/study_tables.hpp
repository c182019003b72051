// Studies as text for the terminal.
#pragma once

#include <string>
#include <vector>

#include "hone/report/terminal_table.hpp"
#include "hone/search/study.hpp"

namespace hone {

// {"COMPLETE": 3, "FAIL": 1}: "3 complete, 1 fail".
std::string describe_states(const Json& states);
std::string describe_study(const Study& study, TextStyle style);
// The best trial with all of its parameters, or a row each of several; "" where there is none.
std::string describe_best(const Study& study, TextStyle style);
// A row a trial: number, state, values, time, parameters.
std::string trials_table(const Study& study, const std::vector<const Trial*>& trials,
                         TextStyle style);
// "accuracy 0.8612, bytes 4.39e+06"; the values of a trial by the names of the objectives.
std::string describe_values(const StudyData& study, const std::vector<double>& values);
// "lr = 0.001, layers = 2, 44 more".
std::string describe_parameters(const Trial& trial);
// The winners on the test split, a line each.
std::string describe_test(const Json& judged);
// Its fate in a line: "trial 7: complete, accuracy 0.8612 (lr = 0.001, layers = 2), 12 s".
std::string describe_trial(const StudyData& study, const Trial& trial);

}  // namespace hone
