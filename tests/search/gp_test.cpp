#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "search/sampling.hpp"

namespace hone {
namespace {

using namespace hone_test;

const Options quick{{"n_candidates", std::int64_t{60}},
                    {"n_local_searches", std::int64_t{2}},
                    {"n_startup_trials", std::int64_t{5}}};

Space mixed() {
  return Space({choice("kind", {"a", "b"}), real("x", 0, 1), integer("n", 1, 100, 1, true),
                when(real("y", -1, 1), "kind", {"a"})});
}

TEST(Gp, ReplaysAndKeepsToTheSpace) {
  for (const std::size_t objectives : {1u, 2u, 3u}) {
    MemoryStudy study{mixed()};
    study.directions.assign(objectives, Direction::maximize);
    const auto kept = make_sampling("gp", quick);
    for (int i = 0; i < 16; ++i) {
      const Sample sample = study.next(*kept);
      ASSERT_EQ(sample.values, study.next(*make_sampling("gp", quick)).values);
      ASSERT_EQ(fault_of(study.space, sample.values), "");
      std::vector<double> values(objectives, i == 8 ? -INFINITY : sample.values.at("x"));
      if (objectives > 1) values[1] = i == 9 ? NAN : -sample.values.at("n");
      if (i % 8 == 5)
        study.add(sample, TrialState::running);
      else if (i % 8 == 6)
        study.add(sample, TrialState::fail);
      else
        study.add(sample, TrialState::complete, values);
    }
  }
}

TEST(Gp, FindsASmoothMinimumInFewTrials) {
  for (const Direction direction : {Direction::minimize, Direction::maximize}) {
    MemoryStudy study{
        Space({real("x", 0, 1), real("y", 1e-3, 1, 0, true), choice("c", {"p", "q"})}),
        {direction}};
    double best = INFINITY;
    study.run(*make_sampling("gp", quick), 25, [&](const Assignment& values) {
      const double value = std::pow(values.at("x") - 0.3, 2) +
                           0.2 * std::pow(std::log10(values.at("y")) + 1, 2) + 0.1 * values.at("c");
      best = std::min(best, value);
      return std::vector<double>{direction == Direction::minimize ? value : -value};
    });
    EXPECT_LT(best, 0.01);
  }
}

TEST(Gp, ConstraintsAreLearned) {
  MemoryStudy study{Space({real("x", 0, 1), real("y", 0, 1)})};
  const auto sampling = make_sampling("gp", quick);
  double best = 2;
  for (int i = 0; i < 30; ++i) {
    const Sample sample = study.next(*sampling);
    const double x = sample.values.at("x"), y = sample.values.at("y");
    study.add(sample, TrialState::complete, {x + y}).system_attributes["constraints"] =
        Json::array({0.6 - x, 0.3 - y});
    if (x >= 0.6 && y >= 0.3) best = std::min(best, x + y);
  }
  // The corner has 0.9; of 30 uniform points one in a hundred seeds comes so near.
  EXPECT_LT(best, 0.95);
}

// None of the trials keeps the constraint: the next ones go where they may.
TEST(Gp, NothingFeasibleYet) {
  MemoryStudy study{Space({real("x", 0, 1)})};
  for (int i = 0; i < 10; ++i)
    study.add({{{"x", 0.05 * i}}}, TrialState::complete, {1.0 * i})
        .system_attributes["constraints:c"] = 0.8 - 0.05 * i;
  EXPECT_GT(study.next(*make_sampling("gp", quick)).values.at("x"), 0.5);
}

TEST(Gp, SmallSpaceIsGoneThrough) {
  MemoryStudy study{Space({choice("a", {0, 1, 2}), integer("b", 1, 4), integer("c", 7, 7)})};
  std::set<Assignment> seen;
  const auto sampling = make_sampling("gp", quick);
  study.run(*sampling, 12, [&](const Assignment& values) {
    seen.insert(values);
    return std::vector<double>{values.at("b")};
  });
  EXPECT_GE(seen.size(), 11u);
  study.run(*sampling, 15, [](const Assignment&) { return std::vector<double>{0}; });
}

TEST(Gp, GivenValuesStayAndParallelTrialsDiffer) {
  MemoryStudy study{mixed()};
  const auto sampling = make_sampling("gp", quick);
  study.run(*sampling, 8, [](const Assignment& v) { return std::vector<double>{v.at("x")}; });
  const Sample given = study.next(*sampling, {{"kind", 0}, {"y", 0.5}});
  EXPECT_EQ(given.values.at("kind"), 0);
  EXPECT_EQ(given.values.at("y"), 0.5);
  std::set<Assignment> running;
  for (int i = 0; i < 4; ++i) {
    const Sample sample = study.next(*sampling);
    EXPECT_TRUE(running.insert(sample.values).second);
    study.add(sample, TrialState::running);
  }
}

TEST(Gp, ManyTrialsAreNarrowedDown) {
  MemoryStudy study{mixed()};
  study.run(*make_sampling("random"), 2000,
            [](const Assignment& v) { return std::vector<double>{v.at("x")}; });
  Options options = quick;
  options.set("n_candidates", std::int64_t{10});
  options.set("n_local_searches", std::int64_t{0});
  options.set("n_points", std::int64_t{100});
  EXPECT_EQ(fault_of(study.space, study.next(*make_sampling("gp", options)).values), "");
}

}  // namespace
}  // namespace hone
