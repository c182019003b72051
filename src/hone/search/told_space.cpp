#include "hone/search/told_space.hpp"

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone {
namespace {

const char* const remedy =
    "write its space into a search file: hone search FILE.toml --study STUDY goes on with it";

}  // namespace

Space told_space(const Study& study) {
  std::vector<Dimension> dimensions;
  std::map<std::string, ParameterPtr> known;
  for (const Trial& trial : study.trials())
    for (const TrialParameter& one : trial.parameters) {
      const auto [at, is_new] = known.emplace(one.name(), one.parameter);
      if (is_new) dimensions.push_back({one.parameter});
      if (at->second != one.parameter && !(at->second->distribution == one.parameter->distribution))
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("study '{}': parameter '{}' is {} in trial {}, and was {} before",
                                study.data().name, printable(one.name()),
                                to_optuna(one.parameter->distribution), trial.number,
                                to_optuna(at->second->distribution)),
                    remedy);
    }
  if (dimensions.empty())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("study '{}' is not one of a search, and no trial of it says what its "
                            "parameters are",
                            study.data().name),
                remedy);
  return Space(std::move(dimensions));
}

void require_no_conditions(const Study& study, const Space& space) {
  for (const Trial& trial : study.trials()) {
    if (trial.state != TrialState::complete) continue;
    for (const Dimension& dimension : space.dimensions())
      if (trial.find(dimension.name()) == nullptr)
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("study '{}': trial {} has no parameter '{}', others have: when it "
                                "exists they do not say",
                                study.data().name, trial.number, printable(dimension.name())),
                    remedy);
  }
}

}  // namespace hone
