#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "hone/search/detail/pareto.hpp"
#include "search/sampling.hpp"

namespace hone {
namespace {

using namespace hone_test;

Options with_population(std::initializer_list<std::pair<const std::string, OptionValue>> values) {
  Options options = values;
  if (!options.contains("population")) options.set("population", std::int64_t{10});
  return options;
}

Space mixed_space() {
  return Space({choice("kind", {"a", "b", "c"}), real("x", 0, 1), integer("n", 1, 30),
                when(real("y", 1e-3, 1, 0, true), "kind", {"a", "b"})});
}

TEST(Nsga2, ReplaysAndKeepsToTheSpace) {
  for (const Options& options :
       {with_population({}), with_population({{"generational", true}}),
        with_population({{"crossover", std::string("sbx")}, {"mutation_prob", 1.0}})})
    for (const std::size_t objectives : {1u, 2u}) {
      MemoryStudy study{mixed_space()};
      study.directions.assign(objectives, Direction::maximize);
      const auto kept = make_sampling("nsga2", options);
      for (int i = 0; i < 60; ++i) {
        const Sample sample = study.next(*kept);
        const Sample again = study.next(*make_sampling("nsga2", options));
        ASSERT_EQ(sample.values, again.values);
        ASSERT_EQ(sample.system_attributes, again.system_attributes);
        ASSERT_EQ(fault_of(study.space, sample.values), "");
        const double x = sample.values.at("x");
        std::vector<double> values{x};
        if (objectives == 2) values.push_back(i % 7 == 0 ? NAN : sample.values.at("n") - x);
        study.add(sample, i % 11 == 5 ? TrialState::fail : TrialState::complete,
                  i % 11 == 5 ? std::vector<double>{} : values);
      }
    }
}

// A generation ends when it has as many finished trials as the population; running and failed ones
// do not count.
TEST(Nsga2, GenerationsFollowFromTheTrials) {
  MemoryStudy study{mixed_space()};
  const auto sampling = make_sampling("nsga2", with_population({}));
  const auto next = [&] {
    return study.next(*sampling).system_attributes.at("nsga2:generation").get<int>();
  };
  for (int i = 0; i < 12; ++i) {
    EXPECT_EQ(next(), 0);
    study.add(study.next(*sampling),
              i == 3   ? TrialState::fail
              : i == 4 ? TrialState::running
                       : TrialState::complete,
              i == 3 || i == 4 ? std::vector<double>{} : std::vector<double>{1.0});
  }
  EXPECT_EQ(next(), 1);
  for (int i = 0; i < 10; ++i) study.add(study.next(*sampling), TrialState::complete, {2});
  EXPECT_EQ(next(), 2);
}

// Of a generation, parents are what the earlier ones brought: later trials of the same generation
// do not see each other.
TEST(Nsga2, GenerationalParentsStay) {
  const auto sampling =
      make_sampling("nsga2", with_population({{"generational", true}, {"crossover_prob", 1.0}}));
  MemoryStudy a{mixed_space()};
  a.run(*sampling, 12, [](const Assignment& v) { return std::vector<double>{v.at("x")}; });
  MemoryStudy b = a;
  // The eleventh and twelfth belong to generation 1: other values of theirs change nothing.
  b.trials[10].values = {-100};
  b.trials[11].values = {-200};
  EXPECT_EQ(a.next(*sampling).values,
            b.next(*make_sampling(
                       "nsga2", with_population({{"generational", true}, {"crossover_prob", 1.0}})))
                .values);
}

double volume_of(const std::string& sampler, const Options& options, std::uint64_t seed) {
  std::vector<Dimension> dimensions;
  for (int i = 0; i < 5; ++i) dimensions.push_back(real("x" + std::to_string(i), 0, 1));
  MemoryStudy study{Space(std::move(dimensions)), {Direction::minimize, Direction::minimize}, seed};
  std::vector<Point> points;
  study.run(*make_sampling(sampler, options), 150, [&](const Assignment& values) {
    // ZDT1 (Zitzler, Deb and Thiele 2000).
    double g = 1;
    for (int i = 1; i < 5; ++i) g += 9.0 / 4 * values.at("x" + std::to_string(i));
    const double x = values.at("x0");
    points.push_back({x, g * (1 - std::sqrt(x / g))});
    return points.back();
  });
  return hypervolume(points, {1.1, 6});
}

TEST(Nsga2, FrontIsBetterThanRandom) {
  int wins = 0;
  for (std::uint64_t seed = 0; seed < 5; ++seed)
    wins += volume_of("nsga2", with_population({}), seed) > 1.1 * volume_of("random", {}, seed);
  EXPECT_GE(wins, 5);
}

TEST(Nsga2, FeasibleTrialsAreParents) {
  MemoryStudy study{Space({real("x", 0, 1), real("y", 0, 1)})};
  study.directions.assign(2, Direction::minimize);
  const auto sampling = make_sampling("nsga2", with_population({}));
  int feasible = 0;
  for (int i = 0; i < 80; ++i) {
    const Sample sample = study.next(*sampling);
    const double x = sample.values.at("x"), y = sample.values.at("y");
    study.add(sample, TrialState::complete, {x + y, x + 1 - y})
        .system_attributes["constraints:half"] = 0.7 - x;
    if (i >= 40) feasible += x >= 0.7;
  }
  // Uniformly it would be 12 of 40.
  EXPECT_GE(feasible, 20);
}

TEST(Nsga2, SmallSpaceIsGoneThrough) {
  MemoryStudy study{Space({choice("a", {0, 1, 2}), integer("b", 1, 4), integer("c", 7, 7)})};
  std::set<Assignment> seen;
  study.run(*make_sampling("nsga2", with_population({{"population", std::int64_t{4}}})), 12,
            [&](const Assignment& values) {
              seen.insert(values);
              return std::vector<double>{values.at("b")};
            });
  EXPECT_GE(seen.size(), 11u);
  study.run(*make_sampling("nsga2", with_population({})), 30,
            [](const Assignment&) { return std::vector<double>{0}; });
}

TEST(Nsga2, GivenValuesStay) {
  MemoryStudy study{mixed_space()};
  const auto sampling = make_sampling("nsga2", with_population({}));
  study.run(*sampling, 20, [](const Assignment& v) { return std::vector<double>{v.at("x")}; });
  const Sample sample = study.next(*sampling, {{"kind", 1}, {"y", 0.5}});
  EXPECT_EQ(sample.values.at("kind"), 1);
  EXPECT_EQ(sample.values.at("y"), 0.5);
}

}  // namespace
}  // namespace hone
