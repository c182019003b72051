#include "hone/search/detail/sequences.hpp"

#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "search/sampling.hpp"

namespace hone {
namespace {

using namespace hone_test;

TEST(Sobol, FirstPointsAreThePublishedOnes) {
  // S. Joe and F. Y. Kuo's example: points 1 to 5 in three dimensions.
  const double points[5][3] = {{0.5, 0.5, 0.5},
                               {0.25, 0.75, 0.75},
                               {0.75, 0.25, 0.25},
                               {0.125, 0.625, 0.875},
                               {0.625, 0.125, 0.375}};
  std::set<std::vector<double>> expected, found;
  for (const auto& point : points) expected.insert({point, point + 3});
  for (std::uint32_t i = 1; i < 8; ++i) {
    std::vector<double> point;
    for (std::size_t d = 0; d < 3; ++d) point.push_back(sobol_bits(i, d) * 0x1p-32);
    found.insert(point);
  }
  // (The published order is Gray code's; the first 2^m points are the same set.)
  std::size_t hits = 0;
  for (const auto& point : expected) hits += found.contains(point);
  EXPECT_GE(hits, 3u);
  EXPECT_EQ(sobol_bits(1, 160), 1u << 31);
}

// Of 2^m points every interval [k, k + 1) 2^-m of every dimension has one, scrambled or not, and so
// has every elementary box of the first two dimensions (they are a (0, m, 2)-net).
TEST(Sobol, EveryElementaryIntervalHasOnePoint) {
  constexpr int m = 8;
  constexpr std::uint32_t count = 1u << m;
  for (const bool scramble : {false, true}) {
    for (std::size_t d = 0; d < sobol_dimensions; ++d) {
      std::set<int> cells;
      for (std::uint32_t i = 0; i < count; ++i)
        cells.insert(static_cast<int>(sobol(i, d, 99, scramble) * count));
      ASSERT_EQ(cells.size(), count) << d;
    }
    for (int a = 0; a <= m; ++a) {
      std::set<std::pair<int, int>> cells;
      for (std::uint32_t i = 0; i < count; ++i)
        cells.emplace(static_cast<int>(sobol(i, 0, 5, scramble) * (1 << a)),
                      static_cast<int>(sobol(i, 1, 5, scramble) * (1 << (m - a))));
      EXPECT_EQ(cells.size(), count) << a;
    }
  }
}

TEST(Sobol, ScramblingsDiffer) {
  std::set<double> values;
  double sum = 0;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    values.insert(sobol(3, 4, seed, true));
    sum += sobol(3, 4, seed, true);
  }
  EXPECT_EQ(values.size(), 1000u);
  // Uniform over seeds: the mean of 1000 is within five standard errors of 1/2.
  EXPECT_NEAR(sum / 1000, 0.5, 5 / std::sqrt(12 * 1000.0));
}

TEST(Halton, FillsTheCellsOfItsBase) {
  for (const bool scramble : {false, true}) {
    std::set<int> twos, threes, fives;
    for (std::uint32_t i = 0; i < 125; ++i) {
      if (i < 64) twos.insert(static_cast<int>(halton(i, 0, 1, scramble) * 64));
      if (i < 81)
        threes.insert(static_cast<int>(std::floor(halton(i, 1, 1, scramble) * 81 + 1e-9)));
      fives.insert(static_cast<int>(std::floor(halton(i, 2, 1, scramble) * 125 + 1e-9)));
    }
    EXPECT_EQ(twos.size(), 64u);
    EXPECT_EQ(threes.size(), 81u);
    EXPECT_EQ(fives.size(), 125u);
  }
  EXPECT_NEAR(halton(1, 1, 0, false), 1.0 / 3, 1e-12);
  EXPECT_NEAR(halton(5, 1, 0, false), 2.0 / 3 + 1.0 / 9, 1e-12);
}

TEST(Qmc, SpreadsOverValuesAndBranches) {
  for (const char* sequence : {"sobol", "halton"}) {
    MemoryStudy study{Space({choice("c", {0, 1, 2, 3}), real("x", 1, 16, 0, true),
                             integer("n", 1, 8), when(real("y", 0, 1), "c", {1, 2})})};
    study.seed = 4;
    const Options options{{"sequence", std::string(sequence)}};
    const auto sampling = make_sampling("qmc", options);
    std::map<double, int> choices;
    int low = 0;
    for (int i = 0; i < 64; ++i) {
      const Sample sample = study.next(*sampling);
      EXPECT_EQ(fault_of(study.space, sample.values), "");
      EXPECT_EQ(sample.values, study.next(*make_sampling("qmc", options)).values);
      ++choices[sample.values.at("c")];
      low += sample.values.at("x") < 4;
      study.add(sample, TrialState::complete, {1});
    }
    for (const auto& [one, count] : choices) EXPECT_EQ(count, 16);
    EXPECT_NEAR(low, 32, 2);
    EXPECT_EQ(study.next(*sampling, {{"n", 5}}).values.at("n"), 5);
  }
}

}  // namespace
}  // namespace hone
