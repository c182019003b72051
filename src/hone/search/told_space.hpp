// The space that a study's trials were drawn from, where nothing else says it.
#pragma once

#include <string>

#include "hone/search/study.hpp"

namespace hone {

// The parameters of a study's trials, in the order of the first that has them. Throws
// Error(invalid_argument) when no trial has any, or a parameter is not the same in all of them.
Space told_space(const Study& study);

// Throws Error(invalid_argument) naming a parameter that a complete trial does not have: there is a
// condition, and trials do not say which.
void require_no_conditions(const Study& study, const Space& space);

}  // namespace hone
