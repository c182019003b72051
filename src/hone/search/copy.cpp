#include "hone/search/copy.hpp"

namespace hone {

StudyId copy_study(const Study& from, Storage& to, const std::string& name) {
  const StudyData& data = from.data();
  const StudyId made = to.create_study(name, data.directions);
  try {
    to.set_study_attributes(made, data.user_attributes, data.system_attributes);
    for (const Trial& trial : from.trials()) to.create_trial(made, trial, std::nullopt, false);
  } catch (...) {
    to.delete_study(made);
    throw;
  }
  return made;
}

}  // namespace hone
