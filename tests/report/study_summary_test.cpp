// What a report says of studies: which trials are best, tied, and what is not claimed.
#include "hone/report/study_summary.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hone/report/study_tables.hpp"
#include "report/synthetic_study.hpp"

namespace hone_test {
namespace {

using namespace hone;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::int64_t> tied_trials(const StudySummary& study) {
  std::vector<std::int64_t> numbers;
  for (const StudyTrial& trial : study.trials)
    if (trial.standing == TrialStanding::tied) numbers.push_back(trial.number);
  return numbers;
}

TEST(StudySummary, TrialsWhoseIntervalReachesTheBestOnesAreTied) {
  StudySummary study = synthetic_study({0.80, 0.86, 0.85, 0.84, 0.859}, 0.01);
  // Not those that do not count, however good they look.
  study.trials[4].can_be_best = false;
  mark_standings(study, {1});
  EXPECT_EQ(study.trials[1].standing, TrialStanding::best);
  // 0.84 + 0.01 = 0.86 - 0.01: they touch. (In floating point, by a hair or not.)
  study.trials[3].intervals[0].high = study.trials[1].intervals[0].low;
  study.trials[3].standing = TrialStanding::ordinary;
  mark_standings(study, {1});
  EXPECT_THAT(tied_trials(study), ElementsAre(2, 3));
  EXPECT_EQ(describe_studies(std::span(&study, 1)),
            "accuracy 86.00 % (85.00–87.00): trial 1 of 5; 2 trials within noise of it");
  const ReportTable best = best_table(study);
  ASSERT_EQ(best.rows.size(), 3u);
  EXPECT_EQ(best.rows[0][0].text, "1");
  EXPECT_EQ(best.rows[1][1].text, "tied");
  EXPECT_EQ(best.rows[1][2].text, "85.00 % (84.00–86.00)");
}

TEST(StudySummary, WithoutIntervalsNothingIsTiedOrClaimed) {
  StudySummary study = synthetic_study({0.86, 0.86, 0.85}, 0);
  mark_standings(study, {0});
  EXPECT_THAT(tied_trials(study), ElementsAre());
  EXPECT_EQ(describe_studies(std::span(&study, 1)), "accuracy 86.00 %: trial 0 of 3");
  EXPECT_THAT(best_table(study).note, HasSubstr("not known"));
  for (const TableColumn& column : studies_table(std::span(&study, 1)).columns)
    EXPECT_NE(column.title, "tied");
}

TEST(StudySummary, OfSeveralStudiesSaysWhichIsBestAndWhichAreWithinNoise) {
  std::vector<StudySummary> studies;
  for (const double best : {0.86, 0.87, 0.80}) {
    studies.push_back(synthetic_study({best - 0.1, best}, 0.01));
    studies.back().name = fmt::format("s{:.0f}", 100 * best);
    mark_standings(studies.back(), {1});
  }
  EXPECT_EQ(describe_studies(studies),
            "best of 3 studies: s87 with accuracy 87.00 % (86.00–88.00); within noise of it: s86");
  // The other way round the lowest is.
  for (StudySummary& study : studies) study.objectives[0].maximize = false;
  EXPECT_THAT(describe_studies(studies), HasSubstr("best of 3 studies: s80"));
  // What has other objectives is not compared.
  studies[0].objectives[0].name = "loss";
  EXPECT_EQ(describe_studies(studies), "3 studies with 6 trials");
}

TEST(StudySummary, OfNothingSaysSo) {
  StudySummary study = synthetic_study({}, 0);
  EXPECT_EQ(describe_studies(std::span(&study, 1)), "no trial has begun yet");
  study = synthetic_study({0.5, 0.6}, 0);
  for (StudyTrial& trial : study.trials) {
    trial.state = "PRUNED";
    trial.can_be_best = false;
  }
  study.effects = {{}};
  EXPECT_EQ(describe_studies(std::span(&study, 1)), "no trial is complete yet (2 pruned)");
  const std::string text = render_studies(std::span(&study, 1), {});
  EXPECT_THAT(text, Not(HasSubstr("Importance")));
  EXPECT_THAT(text, Not(HasSubstr("Best trials")));
  EXPECT_THAT(text, HasSubstr("pruned"));
}

TEST(StudySummary, OfSeveralObjectivesHasAFrontAndNoTies) {
  StudySummary study = synthetic_study({0.8, 0.9, 0.7}, 0.2, {3 << 20, 4 << 20, 5 << 20});
  mark_standings(study, {0, 1});
  EXPECT_EQ(describe_studies(std::span(&study, 1)),
            "2 of 3 trials on the Pareto front of accuracy and bytes");
  EXPECT_THAT(tied_trials(study), ElementsAre());
  const ReportTable front = best_table(study);
  EXPECT_EQ(front.title, "Pareto front");
  ASSERT_EQ(front.rows.size(), 2u);
  EXPECT_EQ(front.rows[0][0].text, "1");  // the better by the first objective
  EXPECT_EQ(front.rows[0][3].text, "4.00 MiB");
}

TEST(StudySummary, TablesShowValuesAsTheyAreAndCutWhatIsTooMuch) {
  StudySummary study = synthetic_study(std::vector<double>(1500, 0.5), 0);
  study.trials[7].note = "loss is not finite";
  study.trials[8].parameters[1] = std::numeric_limits<double>::quiet_NaN();
  const ReportTable trials = trials_table(study);
  EXPECT_EQ(trials.rows.size(), most_trial_rows);
  EXPECT_THAT(trials.note, HasSubstr("1500"));
  EXPECT_THAT(trials.rows[7].back().text, HasSubstr("not finite"));
  EXPECT_EQ(trials.rows[8][5].text, "");
  EXPECT_EQ(trials.rows[9][5].text, "wide");
  const std::string text = render_studies(std::span(&study, 1), {.most_rows = 20});
  EXPECT_THAT(text, HasSubstr("… and 1480 more"));
}

TEST(StudySummary, UnitsOfObjectives) {
  EXPECT_EQ(format_objective({.unit = ObjectiveUnit::share}, 0.5), "50.00 %");
  EXPECT_EQ(format_objective({.unit = ObjectiveUnit::bytes}, 2048), "2.00 KiB");
  EXPECT_EQ(format_objective({.unit = ObjectiveUnit::seconds}, 0.0123), "12.3 ms");
  EXPECT_EQ(format_objective({.unit = ObjectiveUnit::count}, 4.39e6), "4.39 M");
  EXPECT_EQ(format_objective({}, 1234.5678), "1234.6");
}

}  // namespace
}  // namespace hone_test
