#include "hone/report/series.hpp"

#include <cmath>
#include <limits>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hone {
namespace {

using testing::Contains;
using testing::ElementsAre;

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

TEST(Series, MovingMeanIsCentredAndLeavesGapsOut) {
  EXPECT_THAT(moving_mean(std::vector{1.0, 2.0, 6.0, 4.0}, 3), ElementsAre(1.5, 3, 4, 5));
  EXPECT_THAT(moving_mean(std::vector{1.0, not_a_number, 3.0}, 3), ElementsAre(1, 2, 3));
  EXPECT_THAT(moving_mean(std::vector{1.0, 2.0}, 1), ElementsAre(1, 2));
  EXPECT_TRUE(std::isnan(moving_mean(std::vector{not_a_number}, 5)[0]));
  EXPECT_TRUE(moving_mean({}, 3).empty());
}

TEST(Series, ShortSeriesKeepEveryPoint) {
  EXPECT_THAT(choose_points(std::vector{3.0, 1.0, 2.0}, 4), ElementsAre(0, 1, 2));
  EXPECT_TRUE(choose_points({}, 4).empty());
}

TEST(Series, LongSeriesKeepEndsAndExtremes) {
  std::mt19937 random(7);
  for (const std::size_t size : {5u, 101u, 5003u, 40000u}) {
    for (const std::size_t limit : {4u, 100u, 5000u}) {
      std::vector<double> values(size);
      for (double& value : values) value = std::uniform_real_distribution<>(0, 1)(random);
      values[size / 3] = 50;
      values[size / 2] = -50;
      const auto chosen = choose_points(values, limit);
      EXPECT_LE(chosen.size(), std::max(limit, std::size_t{4}));
      EXPECT_TRUE(std::is_sorted(chosen.begin(), chosen.end()));
      EXPECT_EQ(std::adjacent_find(chosen.begin(), chosen.end()), chosen.end());
      EXPECT_EQ(chosen.front(), 0u);
      EXPECT_EQ(chosen.back(), size - 1);
      EXPECT_THAT(chosen, Contains(size / 3));
      EXPECT_THAT(chosen, Contains(size / 2));
    }
  }
}

TEST(Series, NotANumberDoesNotHideExtremes) {
  std::vector<double> values(1000, not_a_number);
  values[500] = 1;
  EXPECT_THAT(choose_points(values, 10), Contains(500));
}

}  // namespace
}  // namespace hone
