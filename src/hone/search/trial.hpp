// Studies and trials as data.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "hone/search/space.hpp"

namespace hone {

enum class Direction { minimize, maximize };
enum class TrialState { running, complete, pruned, fail, waiting };
// "RUNNING", ..., as Optuna writes them. Throw Error(bad_format) for another text.
const char* to_string(TrialState state);
TrialState trial_state(const std::string& text);

enum class StudyId : std::int64_t {};
enum class TrialId : std::int64_t {};

using Time = std::chrono::sys_time<std::chrono::microseconds>;
Time now();
using Attributes = Json::Object;

struct TrialParameter {
  ParameterPtr parameter;
  double internal = 0;

  const std::string& name() const { return parameter->name; }
  Json value() const { return parameter->distribution.value_of(internal); }
};

struct Trial {
  TrialId id{};
  std::int64_t number = 0;  // from 0, in the order in which a study's trials began
  TrialState state = TrialState::running;
  std::vector<double> values = {};  // one an objective, where the trial has them
  std::vector<TrialParameter> parameters = {};
  std::map<std::int64_t, double> intermediate = {};  // by step; may be NaN or infinite
  Attributes user_attributes = {};
  Attributes system_attributes = {};
  std::optional<Time> start = {};
  std::optional<Time> complete = {};

  bool is_finished() const { return state != TrialState::running && state != TrialState::waiting; }
  const TrialParameter* find(const std::string& parameter) const;
  Assignment assignment() const;
};

// What must not be above 0, each: "constraints:NAME" of the trial's system attributes, and the
// older list "constraints", by their names. Empty: none were told.
std::vector<double> constraints_of(const Trial& trial);
// The sum of what is above 0; NaN where there are none.
double violation_of(const Trial& trial);

// Its values, the smaller the better: negated where they are maximized.
std::vector<double> losses_of(const Trial& trial, const std::vector<Direction>& directions);
// Complete, with a value for each direction, and no constraint is broken.
bool can_be_best(const Trial& trial, const std::vector<Direction>& directions);

struct StudyData {
  StudyId id{};
  std::string name;
  std::vector<Direction> directions;
  Attributes user_attributes = {};
  Attributes system_attributes = {};
};

}  // namespace hone
