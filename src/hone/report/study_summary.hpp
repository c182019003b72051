// What a report shows of a study: plain numbers, filled by whoever knows studies
// (recipes/study_report.hpp).
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "hone/core/json.hpp"

namespace hone {

// How an objective's numbers are shown: as they are, in %, in binary units, as times, with SI
// prefixes.
enum class ObjectiveUnit { plain, share, bytes, seconds, count };

struct StudyObjective {
  std::string name = {};
  bool maximize = false;
  ObjectiveUnit unit = ObjectiveUnit::plain;
};
// "86.70 %", "4.39 MiB", "12.3 ms".
std::string format_objective(const StudyObjective& objective, double value);

struct StudyParameter {
  std::string name = {};
  bool integer = false;
  bool log = false;
  double low = 0, high = 0;
  std::vector<std::string> choices = {};  // of a categorical one
  // "wide", "0.001"; "" where `internal` is NaN.
  std::string format(double internal) const;
};

// 95 %; NaN where none was told.
struct ValueInterval {
  double low = std::numeric_limits<double>::quiet_NaN();
  double high = std::numeric_limits<double>::quiet_NaN();
  bool is_known() const { return low <= high; }
};

enum class TrialStanding { ordinary, best, tied };

struct StudyTrial {
  std::int64_t number = 0;
  std::string state = {};  // "COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING"
  std::vector<double> values = {};
  std::vector<ValueInterval> intervals = {};  // one a value
  bool can_be_best = false;                   // complete, and no constraint is broken
  std::vector<double> parameters = {};        // one a parameter; of a choice its number; NaN: none
  std::vector<std::pair<std::int64_t, double>> intermediate = {};
  // Seconds since the study's first trial began; NaN: it did not.
  double start = std::numeric_limits<double>::quiet_NaN();
  double end = std::numeric_limits<double>::quiet_NaN();
  std::size_t worker = 0;  // which line of the timeline
  std::string note = {};   // why it failed, whose results it has
  TrialStanding standing = TrialStanding::ordinary;
};

// Shares of the variance, in the order of the parameters.
struct StudyImportance {
  bool known = false;
  std::vector<double> share = {}, deviation = {};
};
// The mean of the objective over all other parameters, by the forest of the importance.
struct StudySlice {
  std::size_t parameter = 0;
  std::vector<double> at = {}, mean = {};
};
struct StudyContour {
  std::size_t first = 0, second = 0;
  std::vector<double> at_first = {}, at_second = {};
  std::vector<double> mean = {};  // [first][second]
};
struct StudyEffects {
  StudyImportance importance = {};
  std::vector<StudySlice> slices = {};
  std::vector<StudyContour> contours = {};
};

struct StudySummary {
  std::string name = {};    // unique in a report
  std::string source = {};  // its address
  std::string started = {};
  // Studies of one group differ only in their seeds; "": of none.
  std::string group = {};
  std::vector<StudyObjective> objectives = {};
  std::vector<StudyParameter> parameters = {};
  std::vector<StudyTrial> trials = {};
  std::vector<std::string> workers = {};  // names of the lines of the timeline
  // After each trial by number, and after each that ended by seconds: the best value so far, of
  // several objectives the share of the box that the front dominates. NaN before the first.
  std::vector<double> best_by_trial = {};
  std::vector<std::pair<double, double>> best_by_time = {};
  std::vector<StudyEffects> effects = {};  // one an objective
  std::string judged = {};                 // its winner on data that no trial has seen
  std::int64_t finished = 0;               // trials that are complete or pruned
};

// Marks the best trials of a study (of several objectives the front), `best` by number, and those
// whose 95 % interval overlaps the best one's as tied. Without intervals, and of several
// objectives, none is.
void mark_standings(StudySummary& study, const std::vector<std::int64_t>& best);

// "accuracy 86.70 % (86.27–87.12): trial 17 of 32; 4 trials within noise of it"; of several studies
// which has the best.
std::string describe_studies(std::span<const StudySummary> studies);
// "86.70 % (86.27–87.12)".
std::string format_value(const StudySummary& study, const StudyTrial& trial, std::size_t objective);
// "8 complete, 2 pruned".
std::string describe_states(const StudySummary& study);
// The best trials: one, or a front.
std::vector<const StudyTrial*> best_trials(const StudySummary& study);
std::size_t count_tied(const StudySummary& study);
// The parameters, the most important first; of several objectives by the largest share.
std::vector<std::size_t> by_importance(const StudySummary& study);

}  // namespace hone
