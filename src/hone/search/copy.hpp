// Studies from one storage to another.
#pragma once

#include <string>

#include "hone/search/study.hpp"

namespace hone {

// All of a study, its trials with their numbers. What runs there waits here for nobody: it is
// copied as it is. Throws Error(invalid_argument) when `to` has a study of that name.
StudyId copy_study(const Study& from, Storage& to, const std::string& name);

}  // namespace hone
