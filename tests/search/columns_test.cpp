// What trials with different ranges have in common.
#include "hone/search/columns.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace hone_test {
namespace {

using namespace hone;

Trial trial_with(const std::vector<std::pair<Distribution, double>>& parameters) {
  Trial trial;
  int number = 0;
  for (const auto& [of, internal] : parameters)
    trial.parameters.push_back({std::make_shared<SearchParameter>(SearchParameter{
                                    std::string(1, static_cast<char>('a' + number++)), of}),
                                internal});
  return trial;
}

TEST(TrialColumns, HaveOneRowATrialAndNaNWhereAParameterIsNot) {
  const Distribution x = reals(0, 1, 0, false, "x"), n = integers(1, 9, 2, false, "n");
  const std::vector<Trial> trials{trial_with({{x, 0.25}}), trial_with({}),
                                  trial_with({{x, 0.5}, {n, 3}})};
  const TrialColumns columns = columns_of(trials);
  ASSERT_EQ(columns.space.dimensions().size(), 2u);
  EXPECT_EQ(columns.space.dimensions()[0].name(), "a");
  EXPECT_EQ(columns.space.dimensions()[1].distribution(), n);
  EXPECT_EQ(columns.values[0][0], 0.25);
  EXPECT_TRUE(std::isnan(columns.values[0][1]));
  EXPECT_TRUE(std::isnan(columns.values[1][0]));
  EXPECT_EQ(columns.values[1][2], 3);
  EXPECT_TRUE(columns_of({}).space.empty());
}

TEST(TrialColumns, MergeRangesAndChoicesThatDiffer) {
  const std::vector<Trial> trials{
      trial_with({{reals(1, 2, 0, true, ""), 1.5}, {categorical({"p", "q"}, ""), 1}}),
      trial_with({{reals(0.5, 1, 0, true, ""), 0.75}, {categorical({"r", "q"}, ""), 1}}),
      trial_with({{reals(1, 4, 0, true, ""), 3}, {integers(5, 9, 1, false, ""), 7}})};
  const TrialColumns columns = columns_of(trials);
  const Distribution& range = columns.space.dimensions()[0].distribution();
  EXPECT_EQ(range.low, 0.5);
  EXPECT_EQ(range.high, 4);
  EXPECT_TRUE(range.log);
  EXPECT_EQ(columns.values[0], (std::vector<double>{1.5, 0.75, 3}));
  EXPECT_EQ(columns.space.dimensions()[1].distribution().choices,
            (std::vector<Json>{"p", "q", "r", 7}));
  EXPECT_EQ(columns.values[1], (std::vector<double>{1, 1, 3}));
}

}  // namespace
}  // namespace hone_test
