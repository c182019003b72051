// What a report gets of studies that are really kept.
#include "hone/recipes/study_report.hpp"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"

namespace hone_test {
namespace {

using namespace hone;
using testing::ElementsAre;

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

class StudyReport : public testing::Test {
protected:
  StudyReport() : storage_(open_storage({.url = url(), .create = true})) {}

  std::string url() const { return "sqlite:" + (folder_.path() / "s.db").string(); }
  StudyId begin(const std::string& name,
                std::vector<Direction> directions = {Direction::maximize}) {
    const StudyId id = storage_->create_study(name, directions);
    storage_->set_study_attributes(id, {}, {{"study:metric_names", Json::array({"accuracy"})}});
    return id;
  }
  // A search's study, as its workers know it.
  void keep_settings(StudyId id, int seed, const std::string& sampler, bool networks = false) {
    const Json command = networks ? Json::array() : Json::array({"python3", "objective.py"});
    storage_->set_study_attributes(id,
                                   {{"hone:search",
                                     {{"seed", seed},
                                      {"sampler", sampler},
                                      {"place", fmt::format("place {}", seed)},
                                      {"objective_command", command},
                                      {"training", Json::array()}}}},
                                   {});
  }
  Trial trial(double x, TrialState state, std::vector<double> values = {}, int start = 0) {
    Trial made{.state = state};
    made.values = std::move(values);
    made.parameters = {{x_, x}};
    made.start = Time(std::chrono::seconds(1000 + start));
    if (made.is_finished()) made.complete = Time(std::chrono::seconds(1010 + start));
    return made;
  }
  void add(StudyId id, const Trial& trial) {
    storage_->create_trial(id, trial, std::nullopt, false);
  }
  std::vector<StudySummary> read(const std::string& name = "") const {
    return summarize_studies(open_studies(name.empty() ? url() : url() + "#" + name));
  }

  ScratchDirectory folder_;
  std::unique_ptr<Storage> storage_;
  ParameterPtr x_ =
      std::make_shared<SearchParameter>(SearchParameter{"x", reals(0, 1, 0, false, "x")});
};

TEST_F(StudyReport, CompleteTrialsAreBestAndTiedPrunedOnesOnlyRan) {
  const StudyId id = begin("s");
  Trial good = trial(0.1, TrialState::complete, {0.8}, 0);
  good.user_attributes = {{"accuracy_low", 0.79}, {"accuracy_high", 0.81}};
  Trial near = trial(0.2, TrialState::complete, {0.795}, 5);
  near.user_attributes = {{"accuracy_low", 0.785}, {"accuracy_high", 0.805}};
  // Better than the best as far as it came.
  Trial pruned = trial(0.3, TrialState::pruned, {0.9}, 10);
  pruned.intermediate = {{100, 0.7}, {200, 0.9}};
  pruned.user_attributes = near.user_attributes;
  Trial failed = trial(0.4, TrialState::fail, {}, 15);
  failed.user_attributes = {{"hone:error", "loss is not finite"}};
  Trial broken = trial(0.5, TrialState::complete, {0.95}, 20);
  broken.system_attributes = {{"constraints", Json::array({1})}};
  for (const Trial& one : {good, near, pruned, failed, broken}) add(id, one);
  add(id, trial(0.6, TrialState::running, {}, 30));
  const StudySummary study = read()[0];
  ASSERT_EQ(study.trials.size(), 6u);
  EXPECT_EQ(study.trials[0].standing, TrialStanding::best);
  EXPECT_EQ(study.trials[1].standing, TrialStanding::tied);
  for (int i = 2; i < 6; ++i) EXPECT_EQ(study.trials[i].standing, TrialStanding::ordinary);
  EXPECT_FALSE(study.trials[2].intervals[0].is_known());
  EXPECT_EQ(study.trials[2].intermediate.back().second, 0.9);
  EXPECT_EQ(study.trials[3].note, "loss is not finite");
  EXPECT_EQ(study.finished, 4);
  EXPECT_THAT(study.best_by_trial, ElementsAre(0.8, 0.8, 0.8, 0.8, 0.8));
  // Seconds since the first trial began.
  EXPECT_EQ(study.trials[4].start, 20);
  EXPECT_EQ(study.best_by_time.front().first, 10);
  EXPECT_EQ(study.best_by_time.back().first, 30);
  EXPECT_TRUE(std::isnan(study.trials[5].end));
  // What another program calls accuracy is no share.
  EXPECT_EQ(study.objectives[0].unit, ObjectiveUnit::plain);
}

TEST_F(StudyReport, EmptyAndHopelessStudiesAreReadToo) {
  begin("empty");
  const StudyId failed = begin("failed"), one = begin("one"), same = begin("same");
  add(failed, trial(0.1, TrialState::fail));
  add(one, trial(0.1, TrialState::complete, {0.5}));
  for (int i = 0; i < 5; ++i) add(same, trial(i / 5.0, TrialState::complete, {0.5}, i));
  const std::vector<StudySummary> studies = read();
  ASSERT_EQ(studies.size(), 4u);
  for (const StudySummary& study : studies) EXPECT_FALSE(study.effects[0].importance.known);
  EXPECT_TRUE(studies[0].best_by_trial.empty());
  ASSERT_EQ(studies[1].best_by_trial.size(), 1u);
  EXPECT_TRUE(std::isnan(studies[1].best_by_trial[0]));
  EXPECT_THAT(studies[2].best_by_trial, ElementsAre(0.5));
  EXPECT_EQ(studies[3].trials[0].standing, TrialStanding::best);
}

TEST_F(StudyReport, StudiesOfOneGroupDifferOnlyInTheirSeeds) {
  const StudyId first = begin("a"), second = begin("b"), other = begin("c");
  begin("by another program");
  keep_settings(first, 1, "tpe");
  keep_settings(second, 2, "tpe");
  keep_settings(other, 1, "random");
  const std::vector<StudySummary> studies = read();
  EXPECT_EQ(studies[0].group, studies[1].group);
  EXPECT_NE(studies[0].group, "");
  EXPECT_NE(studies[0].group, studies[2].group);
  EXPECT_EQ(studies[3].group, "");
}

TEST_F(StudyReport, ObjectivesOfNetworksHaveUnitsAndTheWinnerItsTest) {
  const StudyId id = begin("s");
  keep_settings(id, 1, "tpe", true);
  storage_->set_study_attributes(
      id,
      {{"hone:test",
        Json::array({{{"trial", 3}, {"accuracy", 0.85}, {"low", 0.84}, {"high", 0.86}}})}},
      {});
  const StudySummary study = read("s")[0];
  EXPECT_EQ(study.objectives[0].unit, ObjectiveUnit::share);
  EXPECT_EQ(study.judged, "trial 3: accuracy 85.00 % (84.00–86.00)");
}

TEST_F(StudyReport, TrialsOfAWorkerShareALineOthersTakeAFreeOne) {
  const StudyId id = begin("s");
  for (const char* owner : {"host/b/n/7/s/1", "host/b/n/8/s/1", "host/b/n/7/s/1"}) {
    Trial one = trial(0.1, TrialState::complete, {0.5}, 0);
    one.system_attributes[owner_attribute] = owner;
    add(id, one);
  }
  // Three of a program that says nothing: the second at once with the first, the third after both.
  for (const int start : {100, 105, 120}) add(id, trial(0.1, TrialState::complete, {0.5}, start));
  const StudySummary study = read("s")[0];
  EXPECT_THAT(study.workers, ElementsAre("host, process 7", "host, process 8", "lane 1", "lane 2"));
  std::vector<std::size_t> lines;
  for (const StudyTrial& one : study.trials) lines.push_back(one.worker);
  EXPECT_THAT(lines, ElementsAre(0, 1, 0, 2, 3, 2));
}

TEST_F(StudyReport, ImportanceIsOfCompleteTrialsAndFinds) {
  const StudyId id = begin("s", {Direction::maximize, Direction::minimize});
  const auto idle =
      std::make_shared<SearchParameter>(SearchParameter{"idle", categorical({"p", "q"}, "idle")});
  const auto single =
      std::make_shared<SearchParameter>(SearchParameter{"single", categorical({1}, "single")});
  for (int i = 0; i < 60; ++i) {
    const double x = (i * 37 % 60) / 60.0;
    Trial one = trial(x, TrialState::complete, {x, 5}, i);
    one.parameters.push_back({idle, static_cast<double>(i / 7 % 2)});
    one.parameters.push_back({single, 0});
    add(id, one);
  }
  add(id, trial(0.5, TrialState::pruned, {-1000, 0}, 100));
  const StudySummary study = read("s")[0];
  const StudyImportance& found = study.effects[0].importance;
  ASSERT_TRUE(found.known);
  EXPECT_GT(found.share[0], 0.95);
  EXPECT_LT(found.share[1], 0.02);
  EXPECT_EQ(found.share[2], 0);
  EXPECT_THAT(by_importance(study), ElementsAre(0, 1, 2));
  // Nothing to explain where all are equal.
  EXPECT_FALSE(study.effects[1].importance.known);
  // What has one value is not drawn.
  ASSERT_EQ(study.effects[0].slices.size(), 2u);
  ASSERT_EQ(study.effects[0].contours.size(), 1u);
  const StudySlice& slice = study.effects[0].slices[0];
  for (std::size_t i = 0; i < slice.at.size(); ++i) EXPECT_NEAR(slice.mean[i], slice.at[i], 0.05);
}

TEST_F(StudyReport, StudiesWithTheSameObjectivesAreMeasuredInOneBox) {
  const std::vector<Direction> both{Direction::minimize, Direction::minimize};
  const StudyId good = begin("good", both), bad = begin("bad", both);
  add(good, trial(0.1, TrialState::complete, {0, 0}));
  add(bad, trial(0.1, TrialState::complete, {10, 10}));
  const std::vector<StudySummary> studies = read();
  EXPECT_NEAR(studies[0].best_by_trial[0], 1, 1e-12);
  EXPECT_NEAR(studies[1].best_by_trial[0], std::pow(0.1 / 1.1, 2), 1e-12);
}

TEST_F(StudyReport, StudiesOfOneNameAreToldApart) {
  begin("s");
  std::vector<OpenStudy> open = open_studies(url() + "#s");
  for (OpenStudy& one : open_studies(url())) open.push_back(std::move(one));
  const std::vector<StudySummary> studies = summarize_studies(open);
  EXPECT_NE(studies[0].name, studies[1].name);
}

TEST_F(StudyReport, AddressesOfNothingAreErrors) {
  EXPECT_ERROR(open_studies(url()), ErrorCode::not_found, "holds no study");
  begin("s");
  EXPECT_ERROR(open_studies(url() + "#t"), ErrorCode::not_found, "t");
}

}  // namespace
}  // namespace hone_test
