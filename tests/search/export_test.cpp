// Studies as JSON text.
#include "hone/search/export.hpp"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "search/sampling.hpp"

namespace hone_test {
namespace {

using namespace hone;

TEST(StudyJson, HasWhatTrialsHaveWhateverItIs) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto storage = open_storage({.url = "memory:"});
  const StudyId id = storage->create_study("s \"quoted\"", {Direction::minimize});
  const ParameterPtr odd =
      parameter("z\"\n{}", categorical({"a\"{0}", nullptr, true, 7, 0.1}, "z"));
  const ParameterPtr x = parameter("a", reals(0, 1, 0, false, "a"));
  for (int i = 0; i < 5; ++i) {
    Trial trial{.state = TrialState::complete};
    trial.values = {i == 0 ? std::numeric_limits<double>::infinity() : 0.1 * i};
    trial.parameters = {{odd, static_cast<double>(i)}, {x, 0.1 * i}};
    trial.intermediate = {{-1, nan}, {10, 1e300}};
    trial.user_attributes = {{"deep", Json::array({nan, {{"k\\", "v"}}})}};
    trial.start = Time(std::chrono::microseconds(1));
    storage->create_trial(id, trial, std::nullopt, false);
  }
  storage->create_trial(id, {.state = TrialState::waiting}, std::nullopt, false);
  const Study study(*storage, id);
  const Json whole = parse_json(study_text(study));
  EXPECT_EQ(whole.at("name"), Json("s \"quoted\""));
  EXPECT_EQ(whole.at("trials"), parse_json(trials_text(study)));
  ASSERT_EQ(whole.at("trials").size(), 6u);
  const std::vector<Json> choices{"a\"{0}", nullptr, true, 7, 0.1};
  for (std::size_t i = 0; i < 5; ++i) {
    const Json& trial = whole.at("trials")[i];
    EXPECT_EQ(trial, trial_json(study.trials()[i]));
    EXPECT_EQ(trial.at("number"), Json(i));
    EXPECT_EQ(trial.at("params").at("z\"\n{}"), choices[i]);
    EXPECT_EQ(trial.at("params").at("a").get<double>(), 0.1 * static_cast<double>(i));
    EXPECT_EQ(trial.at("distributions").at("z\"\n{}"), distribution_json(odd->distribution));
    EXPECT_EQ(trial.at("distributions").at("a"), distribution_json(x->distribution));
    EXPECT_EQ(trial.at("values")[0],
              i == 0 ? Json("Infinity") : Json(0.1 * static_cast<double>(i)));
    EXPECT_EQ(trial.at("intermediate_values").at("-1"), Json("NaN"));
    EXPECT_EQ(trial.at("intermediate_values").at("10").get<double>(), 1e300);
    EXPECT_EQ(trial.at("user_attrs").dump(), R"({"deep":["NaN",{"k\\":"v"}]})");
    EXPECT_EQ(trial.at("datetime_start"), Json("1970-01-01T00:00:00.000001+00:00"));
    EXPECT_TRUE(trial.at("datetime_complete").is_null());
  }
  const Json& waiting = whole.at("trials")[5];
  EXPECT_TRUE(waiting.at("values").is_null());
  EXPECT_EQ(waiting.at("params").dump(), "{}");
  EXPECT_EQ(waiting.at("intermediate_values").dump(), "{}");
}

TEST(StudyJson, OfNoTrialsIsAnEmptyList) {
  const auto storage = open_storage({.url = "memory:"});
  const Study study(*storage, storage->create_study("s", {Direction::minimize}));
  EXPECT_EQ(parse_json(trials_text(study)).dump(), "[]");
  EXPECT_EQ(parse_json(study_text(study)).at("trials").size(), 0u);
}

}  // namespace
}  // namespace hone_test
