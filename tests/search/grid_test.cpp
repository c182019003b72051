#include <set>

#include <gtest/gtest.h>

#include "hone/core/error.hpp"
#include "search/sampling.hpp"

namespace hone {
namespace {

using namespace hone_test;

Space branches() {
  return Space({choice("op", {"linear", "identity"}),
                when(integer("bits", 2, 8, 2), "op", {"linear"}),
                when(choice("scale", {true, false}), "bits", {4, 8}), real("x", 0, 1, 0.5),
                choice("one", {"only"})});
}

// Combinations by brute force over the product, without those whose parameters do not exist.
TEST(Grid, EveryCombinationOnce) {
  // identity, or bits 2 and 6 alone, or bits 4 and 8 with two scales: 1 + 2 + 4; three x.
  for (const char* order : {"shuffled", "space"}) {
    MemoryStudy study{branches()};
    const auto sampling = make_sampling("grid", {{"order", std::string(order)}});
    std::set<Assignment> seen;
    std::vector<Assignment> sequence;
    while (true) {
      const Sample sample = study.next(*sampling);
      EXPECT_EQ(sample.exhausted,
                study.next(*make_sampling("grid", {{"order", std::string(order)}})).exhausted);
      ASSERT_EQ(fault_of(study.space, sample.values), "");
      if (sample.exhausted) break;
      EXPECT_TRUE(seen.insert(sample.values).second);
      sequence.push_back(sample.values);
      study.add(sample, study.trials.size() % 3 == 0 ? TrialState::running : TrialState::complete,
                {0});
      ASSERT_LE(study.trials.size(), 21u);
    }
    EXPECT_EQ(seen.size(), 21u);
    // In order the values of the last parameter change first.
    if (std::string(order) == "space") {
      EXPECT_EQ(sequence[0].at("x"), 0);
      EXPECT_EQ(sequence[1].at("x"), 0.5);
      EXPECT_EQ(sequence[2].at("x"), 1);
      EXPECT_EQ(sequence[3].at("bits"), 2 + 2 * (sequence[2].contains("scale") ? 0 : 1));
    }
  }
}

TEST(Grid, SeedsShuffleDifferently) {
  const auto sampling = make_sampling("grid");
  std::set<double> firsts;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    MemoryStudy study{Space({integer("n", 1, 1000)}), {Direction::minimize}, seed};
    firsts.insert(study.next(*sampling).values.at("n"));
  }
  EXPECT_GT(firsts.size(), 40u);
}

TEST(Grid, TrialsOfOthersAreLeftOut) {
  MemoryStudy study{Space({integer("a", 1, 3), choice("b", {0, 1})})};
  study.add({{{"a", 2}, {"b", 1}}}, TrialState::complete, {0});
  study.add({{{"a", 3}, {"b", 0}}}, TrialState::fail);
  const auto sampling = make_sampling("grid");
  std::set<Assignment> seen;
  for (Sample sample = study.next(*sampling); !sample.exhausted; sample = study.next(*sampling)) {
    seen.insert(sample.values);
    study.add(sample, TrialState::complete, {0});
    ASSERT_LE(study.trials.size(), 6u);
  }
  EXPECT_EQ(seen.size(), 4u);
}

TEST(Grid, GivenValuesNarrowIt) {
  MemoryStudy study{branches()};
  const auto sampling = make_sampling("grid");
  std::set<Assignment> seen;
  const Assignment fixed{{"op", 0}, {"bits", 4}};
  for (Sample sample = study.next(*sampling, fixed); !sample.exhausted;
       sample = study.next(*sampling, fixed)) {
    EXPECT_EQ(sample.values.at("bits"), 4);
    seen.insert(sample.values);
    study.add(sample, TrialState::complete, {0});
    ASSERT_LE(study.trials.size(), 6u);
  }
  EXPECT_EQ(seen.size(), 6u);
}

TEST(Grid, WhatCannotBeCountedIsAnError) {
  const auto sampling = make_sampling("grid");
  MemoryStudy endless{Space({real("x", 0, 1)})};
  EXPECT_THROW(endless.next(*sampling), Error);
  std::vector<Dimension> many;
  for (int i = 0; i < 60; ++i) many.push_back(choice("c" + std::to_string(i), {0, 1, 2}));
  MemoryStudy huge{Space(std::move(many))};
  EXPECT_THROW(huge.next(*sampling), Error);
}

// Many independent branches: counted part by part, not by their product.
TEST(Grid, ManyBranches) {
  std::vector<Dimension> many;
  for (int i = 0; i < 20; ++i) {
    const std::string own = "op" + std::to_string(i);
    many.push_back(choice(own, {0, 1}));
    many.push_back(when(choice("k" + std::to_string(i), {0, 1}), own, {1}));
  }
  MemoryStudy study{Space(std::move(many))};
  const auto sampling = make_sampling("grid");
  for (int i = 0; i < 100; ++i) {
    const Sample sample = study.next(*sampling);
    ASSERT_EQ(fault_of(study.space, sample.values), "");
    ASSERT_FALSE(sample.exhausted);
    study.add(sample, TrialState::complete, {0});
  }
}

TEST(Grid, EmptySpaceHasOneCombination) {
  MemoryStudy study{Space()};
  const auto sampling = make_sampling("grid");
  EXPECT_FALSE(study.next(*sampling).exhausted);
  study.add({}, TrialState::complete, {0});
  EXPECT_TRUE(study.next(*sampling).exhausted);
}

}  // namespace
}  // namespace hone
