// Best so far: of one objective, and of several by the volume that their front dominates.
#include "hone/search/progress.hpp"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace hone_test {
namespace {

using namespace hone;

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

Trial told(std::vector<double> values, TrialState state = TrialState::complete) {
  Trial trial{.state = state};
  trial.values = std::move(values);
  return trial;
}

std::vector<double> progress_of(const std::vector<Trial>& trials,
                                const std::vector<Direction>& directions) {
  std::vector<const Trial*> order;
  for (const Trial& trial : trials) order.push_back(&trial);
  return best_so_far(order, directions, box_of(order, directions));
}

TEST(BestSoFar, GoesByTheDirectionAndOnlyByTrialsThatCount) {
  Trial broken = told({-9});
  broken.system_attributes["constraints"] = Json::array({0.5});
  const std::vector<Trial> trials{told({7}, TrialState::pruned), told({3}), broken, told({5}),
                                  told({}, TrialState::fail),    told({1})};
  const std::vector<double> down = progress_of(trials, {Direction::minimize});
  EXPECT_TRUE(std::isnan(down[0]));
  EXPECT_EQ((std::vector<double>(down.begin() + 1, down.end())),
            (std::vector<double>{3, 3, 3, 3, 1}));
  const std::vector<double> up = progress_of(trials, {Direction::maximize});
  EXPECT_TRUE(std::isnan(up[0]));
  EXPECT_EQ((std::vector<double>(up.begin() + 1, up.end())), (std::vector<double>{3, 3, 5, 5, 5}));
  EXPECT_TRUE(progress_of({}, {Direction::minimize}).empty());
  EXPECT_TRUE(std::isnan(progress_of({told({}, TrialState::running)}, {Direction::maximize})[0]));
}

// Directions down and up, ranges 0..10 and 0..1: the box goes a tenth beyond. By hand.
TEST(BestSoFar, OfSeveralObjectivesIsTheirVolume) {
  const std::vector<Trial> trials{told({10, 0}), told({5, 0.5}), told({6, 0.4}), told({0, 1})};
  const std::vector<double> found = progress_of(trials, {Direction::minimize, Direction::maximize});
  const double corner = 0.1 / 1.1, middle = 0.6 / 1.1;
  EXPECT_NEAR(found[0], corner * corner, 1e-12);
  EXPECT_NEAR(found[1], middle * middle, 1e-12);
  EXPECT_EQ(found[2], found[1]);
  EXPECT_NEAR(found[3], 1, 1e-12);
}

TEST(BestSoFar, BearsConstantAndInfiniteObjectives) {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> found =
      progress_of({told({infinity, 1}), told({2, 1}), told({1, 1}), told({nan_value, 1})},
                  {Direction::minimize, Direction::minimize});
  EXPECT_TRUE(std::isnan(found[0]));
  EXPECT_GT(found[1], 0);
  EXPECT_GT(found[2], found[1]);
  EXPECT_EQ(found[3], found[2]);
  EXPECT_EQ(progress_of({told({infinity})}, {Direction::minimize})[0], infinity);
}

}  // namespace
}  // namespace hone_test
