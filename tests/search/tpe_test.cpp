#include <cmath>
#include <limits>
#include <set>

#include <gtest/gtest.h>

#include "search/sampling.hpp"

namespace hone {
namespace {

using namespace hone_test;

Space conditional_space() {
  return Space({choice("kind", {"a", "b"}), real("rate", 1e-5, 1, 0, true),
                integer("n", 1, 300, 1, true), when(real("x", 0, 1), "kind", {"a"}),
                when(integer("m", 0, 40, 4), "kind", {"b"}),
                when(choice("c", {true, false, "other"}), "m", {0, 4, 8})});
}

double value_of(const Assignment& values) {
  double sum = std::pow(std::log10(values.at("rate")) + 2, 2) + std::abs(values.at("n") - 20) / 50;
  if (values.contains("x")) sum += values.at("x");
  if (values.contains("m")) sum += std::abs(values.at("m") - 4) / 10;
  if (values.contains("c")) sum += 0.1 * values.at("c");
  return sum;
}

Options with(std::initializer_list<std::pair<const std::string, OptionValue>> values) {
  return values;
}

// Every combination of options, states and directions gives values that the space has, and a new
// sampling gives bit for bit what one gives that kept things since the first trial.
TEST(Tpe, ReplaysAndKeepsToTheSpace) {
  const std::vector<Options> variants{
      {},
      with({{"multivariate", std::string("no")}}),
      with({{"group", true}}),
      with(
          {{"constant_liar", false}, {"prior_weight", 0.0}, {"n_ei_candidates", std::int64_t{3}}})};
  for (std::size_t v = 0; v < variants.size(); ++v)
    for (const std::size_t objectives : {1u, 2u}) {
      MemoryStudy study{conditional_space()};
      study.directions.assign(objectives, v % 2 == 0 ? Direction::minimize : Direction::maximize);
      const auto kept = make_sampling("tpe", variants[v]);
      for (int i = 0; i < 60; ++i) {
        const Sample sample = study.next(*kept);
        const Sample again = study.next(*make_sampling("tpe", variants[v]));
        ASSERT_EQ(sample.values, again.values) << i;
        ASSERT_EQ(fault_of(study.space, sample.values), "") << i;
        const double value = value_of(sample.values);
        if (i % 10 == 3)
          study.add(sample, TrialState::fail);
        else if (i % 10 == 5)
          study.add(sample, TrialState::pruned).intermediate = {{1, 2.0}, {7, value}};
        else if (i % 10 == 7)
          study.add(sample, TrialState::running);
        else if (i == 21)
          study.add(sample, TrialState::complete, std::vector<double>(objectives, NAN));
        else if (i == 22)
          study.add(sample, TrialState::complete, std::vector<double>(objectives, INFINITY));
        else
          study.add(sample, TrialState::complete, std::vector<double>(objectives, value));
        if (i == 40)
          study.trials[37].state = TrialState::complete,
          study.trials[37].values = std::vector<double>(objectives, value);
      }
    }
}

double best_of(const std::string& sampler, std::uint64_t seed, Direction direction) {
  MemoryStudy study{conditional_space(), {direction}, seed};
  const double sign = direction == Direction::minimize ? 1 : -1;
  double best = INFINITY;
  study.run(*make_sampling(sampler), 60, [&](const Assignment& values) {
    best = std::min(best, value_of(values));
    return std::vector<double>{sign * value_of(values)};
  });
  return best;
}

TEST(Tpe, FindsBetterPointsThanRandom) {
  for (const Direction direction : {Direction::minimize, Direction::maximize}) {
    int wins = 0;
    for (std::uint64_t seed = 0; seed < 10; ++seed)
      wins += best_of("tpe", seed, direction) < best_of("random", seed, direction);
    EXPECT_GE(wins, 9);
  }
}

TEST(Tpe, NoConfigurationTwiceWhileThereAreOthers) {
  MemoryStudy study{Space({choice("a", {0, 1, 2}), integer("b", 1, 5), choice("one", {"only"})})};
  std::set<Assignment> seen;
  const auto sampling = make_sampling("tpe");
  study.run(*sampling, 15, [&](const Assignment& values) {
    seen.insert(values);
    return std::vector<double>{values.at("a") + values.at("b")};
  });
  EXPECT_GE(seen.size(), 14u);
  // And when there are none left, it goes on.
  study.run(*sampling, 30, [](const Assignment&) { return std::vector<double>{0}; });
}

TEST(Tpe, GivenValuesStay) {
  MemoryStudy study{conditional_space()};
  const auto sampling = make_sampling("tpe");
  for (int i = 0; i < 30; ++i) {
    const Sample sample = study.next(*sampling, {{"kind", 1}, {"m", 8}, {"rate", 0.125}});
    EXPECT_EQ(sample.values.at("kind"), 1);
    EXPECT_EQ(sample.values.at("m"), 8);
    EXPECT_EQ(sample.values.at("rate"), 0.125);
    EXPECT_EQ(fault_of(study.space, sample.values), "");
    study.add(sample, TrialState::complete, {value_of(sample.values)});
  }
}

// Where half of the space breaks a constraint and has the better values, the search stays at the
// edge of the rest and finds the best there.
TEST(Tpe, FeasibleTrialsComeFirst) {
  for (const std::size_t objectives : {1u, 2u}) {
    const auto run = [&](const std::string& sampler, std::uint64_t seed, int& feasible) {
      MemoryStudy study{Space({real("x", 0, 1), real("y", 0, 1)})};
      study.directions.assign(objectives, Direction::minimize);
      study.seed = seed;
      const auto sampling = make_sampling(sampler);
      double best = 2;
      for (int i = 0; i < 60; ++i) {
        const Sample sample = study.next(*sampling);
        const double x = sample.values.at("x"), y = sample.values.at("y");
        std::vector<double> values{x + y};
        // (The second one wants the same x, and a y of 0.3.)
        if (objectives == 2) values.push_back(x + std::abs(y - 0.3));
        Trial& trial = study.add(sample, TrialState::complete, values);
        trial.system_attributes["constraints:half"] = 0.5 - x;
        if (x < 0.5) continue;
        best = std::min(best, *std::max_element(values.begin(), values.end()));
        feasible += i >= 20;
      }
      return best;
    };
    int wins = 0, feasible = 0, unused = 0;
    for (std::uint64_t seed = 0; seed < 8; ++seed)
      wins += run("tpe", seed, feasible) < run("random", seed, unused);
    EXPECT_GE(wins, 7);
    EXPECT_GE(feasible, 8 * 20);
  }
}

// Ten running trials at the best place so far push the next one away from it.
TEST(Tpe, RunningTrialsAreAvoided) {
  MemoryStudy study{Space({real("x", 0, 1)})};
  for (int i = 0; i < 20; ++i)
    study.add({{{"x", (i + 0.5) / 20}}}, TrialState::complete, {std::abs(i - 10.0)});
  const auto distance = [&](bool liar) {
    const auto sampling = make_sampling("tpe", {{"constant_liar", liar}});
    double sum = 0;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      study.seed = seed;
      sum += std::abs(study.next(*sampling).values.at("x") - 0.525) / 20;
    }
    return sum;
  };
  for (int i = 0; i < 10; ++i) study.add({{{"x", 0.525}}}, TrialState::running);
  EXPECT_GT(distance(true), 1.5 * distance(false));
}

TEST(Tpe, PrunedTrialsThatWentFurtherAreBetter) {
  MemoryStudy study{Space({real("x", 0, 1)})};
  for (int i = 0; i < 30; ++i)
    study.add({{{"x", (i + 0.5) / 30}}}, TrialState::pruned).intermediate = {
        {i == 24 || i == 25 || i == 26 ? 9 : 1, 1.0}};
  double sum = 0;
  const auto sampling = make_sampling("tpe");
  for (study.seed = 0; study.seed < 20; ++study.seed)
    sum += std::abs(study.next(*sampling).values.at("x") - 0.85) / 20;
  EXPECT_LT(sum, 0.12);
}

TEST(Tpe, EdgesOfStudies) {
  const auto sampling = make_sampling("tpe");
  MemoryStudy empty{Space()};
  EXPECT_TRUE(empty.next(*sampling).values.empty());
  // Nothing but single values; all values equal; all trials failed; infinite values.
  MemoryStudy single{Space({choice("a", {1}), integer("b", 3, 3), real("c", 2, 2)})};
  single.run(*sampling, 20, [](const Assignment&) { return std::vector<double>{1}; });
  EXPECT_EQ(single.next(*sampling).values, (Assignment{{"a", 0}, {"b", 3}, {"c", 2}}));
  MemoryStudy failed{conditional_space()};
  for (int i = 0; i < 30; ++i) failed.add(failed.next(*sampling), TrialState::fail);
  EXPECT_EQ(fault_of(failed.space, failed.next(*sampling).values), "");
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (const double value : {1.0, infinity, -infinity}) {
    MemoryStudy equal{conditional_space()};
    equal.run(*sampling, 30, [&](const Assignment&) { return std::vector<double>{value}; });
    EXPECT_EQ(fault_of(equal.space, equal.next(*sampling).values), "");
  }
}

// One that asked another study before gives what a new one gives.
TEST(Tpe, WhatIsKeptBelongsToItsStudy) {
  MemoryStudy a{Space({real("x", 0, 1), real("y", 0, 1)}), {Direction::minimize}, 1};
  MemoryStudy b = a;
  b.seed = 2;
  a.run(*make_sampling("tpe"), 30,
        [](const Assignment& v) { return std::vector<double>{v.at("x")}; });
  b.run(*make_sampling("tpe"), 30,
        [](const Assignment& v) { return std::vector<double>{-v.at("x")}; });
  const auto shared = make_sampling("tpe");
  for (int i = 0; i < 3; ++i)
    for (const MemoryStudy* study : {&a, &b})
      EXPECT_EQ(study->next(*shared).values, study->next(*make_sampling("tpe")).values);
}

TEST(Tpe, TenThousandTrials) {
  MemoryStudy study{conditional_space()};
  const auto random = make_sampling("random");
  study.run(*random, 10000, [](const Assignment& v) { return std::vector<double>{value_of(v)}; });
  const auto sampling = make_sampling("tpe");
  EXPECT_EQ(fault_of(study.space, study.next(*sampling).values), "");
  EXPECT_EQ(study.next(*sampling).values, study.next(*sampling).values);
}

}  // namespace
}  // namespace hone
