#include "hone/search/detail/pareto.hpp"

#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hone/core/philox.hpp"

namespace hone {
namespace {

std::vector<Point> random_points(std::size_t count, std::size_t objectives, std::uint32_t stream,
                                 int grid) {
  RandomStream random(7, stream);
  std::vector<Point> points(count, Point(objectives));
  for (Point& point : points)
    for (double& x : point) x = static_cast<double>(random.below(static_cast<std::uint32_t>(grid)));
  return points;
}

// By counting the unit cubes of an integer grid.
double counted_volume(const std::vector<Point>& points, const Point& reference) {
  std::vector<int> cube(reference.size(), 0);
  double volume = 0;
  while (true) {
    volume += std::any_of(points.begin(), points.end(), [&](const Point& point) {
      for (std::size_t i = 0; i < cube.size(); ++i)
        if (point[i] > cube[i]) return false;
      return true;
    });
    std::size_t i = 0;
    while (i < cube.size() && ++cube[i] == static_cast<int>(reference[i])) cube[i++] = 0;
    if (i == cube.size()) return volume;
  }
}

TEST(Pareto, HypervolumeIsWhatCountingFinds) {
  for (std::size_t objectives = 1; objectives <= 4; ++objectives)
    for (std::uint32_t seed = 0; seed < 10; ++seed) {
      // (Some lie beyond the reference, some stand twice.)
      const auto points = random_points(1 + 2 * seed, objectives, seed, 8);
      const Point reference(objectives, 6.0);
      EXPECT_EQ(hypervolume(points, reference), counted_volume(points, reference));
      const auto parts = exclusive_volumes(points, reference);
      for (std::size_t i = 0; i < points.size(); ++i) {
        auto others = points;
        others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
        EXPECT_EQ(parts[i], counted_volume(points, reference) - counted_volume(others, reference));
      }
    }
  EXPECT_EQ(hypervolume({}, {1, 1}), 0);
}

TEST(Pareto, RanksAreFrontsPeeledOneByOne) {
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    const auto points = random_points(40, 2 + seed % 2, seed, 10);
    const auto ranks = front_ranks(points, points.size());
    for (std::size_t i = 0; i < points.size(); ++i) {
      // The rank is the length of the longest chain of points that dominate each other above i.
      std::size_t expected = 0;
      for (std::size_t j = 0; j < points.size(); ++j)
        if (dominates(points[j], points[i])) expected = std::max(expected, ranks[j] + 1);
      EXPECT_EQ(ranks[i], expected);
    }
    const auto some = front_ranks(points, 1);
    for (std::size_t i = 0; i < points.size(); ++i)
      EXPECT_EQ(some[i], std::min<std::size_t>(1, ranks[i]));
  }
}

TEST(Pareto, GreedyChoiceIsNearTheBestSubset) {
  for (std::uint32_t seed = 0; seed < 10; ++seed) {
    const auto points = random_points(9, 2, seed, 12);
    const Point reference{12, 12};
    const auto chosen = most_volume(points, 3, reference);
    ASSERT_EQ(chosen.size(), 3u);
    double best = 0;
    for (std::size_t a = 0; a < 9; ++a)
      for (std::size_t b = 0; b < a; ++b)
        for (std::size_t c = 0; c < b; ++c)
          best = std::max(best, hypervolume({points[a], points[b], points[c]}, reference));
    const double found =
        hypervolume({points[chosen[0]], points[chosen[1]], points[chosen[2]]}, reference);
    EXPECT_GE(found, (1 - 1 / M_E) * best);
    // The first is the single best.
    for (const Point& point : points)
      EXPECT_GE(hypervolume({points[chosen[0]]}, reference), hypervolume({point}, reference));
  }
  EXPECT_THAT(most_volume({{1, 1}, {1, 1}}, 5, {2, 2}), ::testing::SizeIs(2));
}

TEST(Pareto, CrowdingByHand) {
  const auto distances = crowding_distances({{0, 4}, {1, 2}, {3, 1}, {4, 0}});
  EXPECT_EQ(distances[0], INFINITY);
  EXPECT_EQ(distances[3], INFINITY);
  EXPECT_DOUBLE_EQ(distances[1], 3.0 / 4 + 3.0 / 4);
  EXPECT_DOUBLE_EQ(distances[2], 3.0 / 4 + 2.0 / 4);
  EXPECT_TRUE(crowding_distances({}).empty());
}

}  // namespace
}  // namespace hone
