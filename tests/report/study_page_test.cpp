// The page of studies: its data, and what a browser makes of it.
#include "hone/report/study_page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hone/report/html.hpp"
#include "report/browser.hpp"
#include "report/synthetic_study.hpp"
#include "report/temporary_directory.hpp"

namespace hone_test {
namespace {

using namespace hone;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<double> numbers(const Json& list) { return list.get<std::vector<double>>(); }

TEST(StudyPage, CurvesHavePointsWhereTheBestChangesAndAtTheEnd) {
  const StudySummary study = synthetic_study({0.5, 0.5, 0.4, 0.7, 0.6, 0.6}, 0);
  const Json curve = study_page_data(std::span(&study, 1)).at("curves")[0];
  EXPECT_EQ(curve.at("band"), Json(false));
  EXPECT_EQ(numbers(curve.at("by_trial").at("x")), (std::vector<double>{1, 4, 6}));
  EXPECT_EQ(numbers(curve.at("by_trial").at("mean")), (std::vector<double>{0.5, 0.7, 0.7}));
  EXPECT_EQ(numbers(curve.at("by_time").at("x")), (std::vector<double>{1.5, 4.5, 6.5}));
}

TEST(StudyPage, StudiesThatDifferOnlyInTheirSeedsAreOneCurveWithABand) {
  std::vector<StudySummary> studies{synthetic_study({0.5, 0.8}, 0), synthetic_study({0.6}, 0),
                                    synthetic_study({0.1, 0.2}, 0), synthetic_study({0.7}, 0)};
  const char* names[] = {"tpe-seed1", "tpe-seed2", "alone", "alone too"};
  for (std::size_t i = 0; i < 4; ++i) studies[i].name = names[i];
  studies[0].group = studies[1].group = "the same";
  const Json curves = study_page_data(studies).at("curves");
  // (Those of no group are not one group.)
  ASSERT_EQ(curves.size(), 3u);
  EXPECT_EQ(curves[0].at("name"), Json("tpe (2 seeds)"));
  EXPECT_EQ(numbers(curves[0].at("members")), (std::vector<double>{0, 1}));
  const Json& by_trial = curves[0].at("by_trial");
  // A study that is shorter keeps what it came to.
  EXPECT_EQ(numbers(by_trial.at("mean")), (std::vector<double>{0.55, 0.7}));
  EXPECT_EQ(numbers(by_trial.at("low")), (std::vector<double>{0.5, 0.6}));
  EXPECT_EQ(numbers(by_trial.at("high")), (std::vector<double>{0.6, 0.8}));
}

TEST(StudyPage, BearsStudiesWithNothingToShow) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  StudySummary never = synthetic_study({}, 0), failed = synthetic_study({0.5}, 0);
  failed.trials[0] = {.number = 0, .state = "FAIL", .parameters = {nan, nan, nan}};
  failed.best_by_trial = {nan};
  failed.best_by_time = {};
  const std::vector<StudySummary> studies{never, failed};
  const Json data = study_page_data(studies);
  for (const Json& curve : data.at("curves")) EXPECT_EQ(curve.at("by_trial").at("x").size(), 0u);
  EXPECT_EQ(data.at("studies")[1].at("trials")[0].at("start"), Json());
}

class StudyPageInABrowser : public ::testing::Test {
protected:
  void SetUp() override {
    REQUIRE_PLOTLY();
    if (find_chromium().empty()) GTEST_SKIP() << "needs a program named chromium or google-chrome";
  }
  // What is shown, after its scripts ran without a complaint.
  std::string show(const std::vector<StudySummary>& studies) {
    const auto path = directory_.path() / "report.html";
    write_html_report(path, {}, studies);
    const Browsed page = browse(path, directory_.path());
    EXPECT_THAT(page.log, Not(HasSubstr("CONSOLE")));
    EXPECT_THAT(page.dom, Not(HasSubstr("<title>taken")));
    const std::size_t script = page.dom.find("<script type=\"application/json\"");
    EXPECT_NE(script, std::string::npos);
    return page.dom.substr(0, script);
  }
  static std::string drawn(const std::string& id) {
    return fmt::format("<div class=\"plot js-plotly-plot\" id=\"{}\"", id);
  }

  TemporaryDirectory directory_;
};

TEST_F(StudyPageInABrowser, DrawsAllPlotsOfAStudy) {
  StudySummary study = synthetic_study({0.7, 0.8, 0.85, 0.6, 0.84, 0.82, 0.81, 0.79}, 0.02,
                                       {9, 8, 7, 6, 5, 4, 3, 2});
  study.name = std::string("%{x} ") + hostile;
  study.parameters[0].name = hostile;
  study.parameters[1].choices[0] = hostile;
  study.objectives[0].name = std::string("accuracy ") + hostile;
  study.workers[0] = hostile;
  study.trials[3].state = "PRUNED";
  study.trials[3].can_be_best = false;
  study.trials[3].note = hostile;
  study.trials[5].parameters[2] = std::numeric_limits<double>::quiet_NaN();
  mark_standings(study, {2, 4, 5, 6, 7});
  const std::string main = show({study});
  for (const char* plot : {"plot-best-by-trial", "plot-best-by-time", "plot-front-0-0",
                           "plot-importance-0", "plot-boxes-0", "plot-slices-0", "plot-contours-0",
                           "plot-parallel-0", "plot-intermediate-0", "plot-timeline-0"})
    EXPECT_THAT(main, HasSubstr(drawn(plot)));
  EXPECT_THAT(main, Not(HasSubstr("<img")));
  EXPECT_THAT(main, HasSubstr("id=\"table-study-trials-0\""));
  EXPECT_THAT(main, HasSubstr("84.00"));
}

TEST_F(StudyPageInABrowser, ComparesStudiesAndBearsEmptyOnes) {
  std::vector<StudySummary> studies;
  for (int i = 0; i < 13; ++i) {
    studies.push_back(synthetic_study({0.7 + i / 100.0, 0.8}, 0));
    studies.back().name = fmt::format("study {}", i);
    mark_standings(studies.back(), {1});
  }
  studies.push_back(synthetic_study({}, 0));
  studies.back().name = "never begun";
  studies.push_back(synthetic_study({0.5}, 0));
  studies.back().name = "one trial";
  mark_standings(studies.back(), {0});
  const std::string main = show(studies);
  EXPECT_THAT(main, HasSubstr(drawn("plot-best-by-trial")));
  EXPECT_THAT(main, HasSubstr("no trial has begun yet"));
  EXPECT_THAT(main, HasSubstr("study 12"));
}

}  // namespace
}  // namespace hone_test
