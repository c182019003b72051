// A study is sampled again from its log: asked for by several at a time, with values that somebody
// gave, by every sampler.
#include <gtest/gtest.h>

#include "hone/search/replay.hpp"
#include "search/sampling.hpp"

namespace hone_test {
namespace {

using namespace hone;
using hone_test::dimension;

Space mixed_space() {
  return Space({dimension("x", reals(0, 1, 0, false, "x")),
                dimension("kind", categorical({"a", "b"}, "kind")),
                dimension("n", integers(1, 5, 1, false, "n"), {{"kind", {"b"}}})});
}

class ReplayTest : public ::testing::TestWithParam<std::string> {
protected:
  std::unique_ptr<Sampling> sampling() const {
    const Sampler& sampler = find_member(sampler_table(), GetParam(), "sampler");
    return sampler.make(complete_options(sampler.options, Options(), GetParam()));
  }
};

TEST_P(ReplayTest, WhatSeveralAskedForAtATime) {
  const Space space = mixed_space();
  const auto asked = sampling();
  const auto storage = open_storage({.url = "memory:"});
  Study study(*storage, storage->create_study("s", {Direction::minimize}));
  const AskCall call{.space = space, .sampling = *asked, .seed = 3, .budget = 40};
  study.enqueue({{"x", 0.25}});
  std::vector<Trial> running;
  for (int i = 0; i < 24; ++i) {
    // Three run at a time, and end in another order; one waits behind others.
    if (i == 9) {
      study.enqueue({{"kind", "b"}});
      study.enqueue({{"kind", "a"}, {"x", 0.5}});
    }
    running.push_back(study.ask(call).value());
    if (running.size() < 3) continue;
    const Trial ended = running[static_cast<std::size_t>(i) % 3];
    study.tell(ended, {.values = {ended.find("x")->value().get<double>()}});
    std::erase_if(running, [&](const Trial& one) { return one.number == ended.number; });
  }
  study.refresh();
  // Another process's sampling, which has seen nothing.
  const auto fresh = sampling();
  const Replay again = replay({Direction::minimize}, study.trials(), {space, *fresh, 3, 40});
  EXPECT_EQ(again.trials, 24);
  for (const ReplayDifference& one : again.differences)
    ADD_FAILURE() << "trial " << one.trial << " " << one.parameter << ": " << one.kept << ", "
                  << one.sampled;
  // One that was changed is found.
  std::vector<Trial> changed = study.trials();
  for (TrialParameter& one : changed[7].parameters)
    if (one.name() == "x") one.internal = 0.123;
  const Replay other = replay({Direction::minimize}, changed, {space, *fresh, 3, 40});
  ASSERT_FALSE(other.differences.empty());
  EXPECT_EQ(other.differences.front().trial, 7);
  EXPECT_EQ(other.differences.front().parameter, "x");
  EXPECT_EQ(other.differences.front().kept, "0.123");
}

INSTANTIATE_TEST_SUITE_P(Samplers, ReplayTest, ::testing::ValuesIn([] {
                           std::vector<std::string> names;
                           for (const Sampler& sampler : sampler_table())
                             // (A real range has no grid.)
                             if (sampler.name != "grid") names.push_back(sampler.name);
                           return names;
                         }()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace hone_test
