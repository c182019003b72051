// Asking and telling, by one process and by several.
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <limits>
#include <set>

#include <gtest/gtest.h>

#include "hone/search/owner.hpp"
#include "hone/search/study.hpp"
#include "search/sampling.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"

namespace hone_test {
namespace {

using namespace hone;
using hone_test::dimension;

Space small_space() {
  return Space({dimension("x", reals(0, 1, 0, false, "x")),
                dimension("kind", categorical({"a", "b"}, "kind")),
                dimension("n", integers(1, 5, 1, false, "n"), {{"kind", {"b"}}})});
}

class StudyTest : public ::testing::Test {
protected:
  std::unique_ptr<Storage> open() const {
    return open_storage({.url = "sqlite:" + (folder_.path() / "s.db").string(), .create = true});
  }
  AskCall call(const std::string& owner = "") {
    return {.space = space_, .sampling = *sampling_, .seed = 7, .owner = owner};
  }

  ScratchDirectory folder_;
  Space space_ = small_space();
  std::unique_ptr<Sampling> sampling_ = find_member(sampler_table(), "random", "sampler").make({});
};

TEST_F(StudyTest, TheSameStudyReplaysWhateverItIsKeptIn) {
  std::vector<std::vector<double>> drawn;
  const auto file = open();
  const auto memory = open_storage({.url = "memory:"});
  for (Storage* storage : {file.get(), memory.get()}) {
    Study study(*storage, storage->create_study("s", {Direction::minimize}));
    std::vector<double> values;
    for (int i = 0; i < 20; ++i) {
      const Trial trial = study.ask(call()).value();
      EXPECT_EQ(trial.number, i);
      for (const TrialParameter& one : trial.parameters) values.push_back(one.internal);
      // A parameter is there where its condition holds.
      EXPECT_EQ(trial.find("n") != nullptr, trial.find("kind")->value() == Json("b"));
      EXPECT_TRUE(study.tell(trial, {.values = {values.back()}}));
    }
    drawn.push_back(values);
  }
  EXPECT_EQ(drawn[0], drawn[1]);
}

TEST_F(StudyTest, WhatTheSamplerDidNotKnowIsKept) {
  const auto storage = open();
  const StudyId id = storage->create_study("s", {Direction::minimize});
  Study one(*storage, id), two(*storage, id);
  const Trial a = one.ask(call("a")).value();
  const Trial b = two.ask(call("b")).value();
  EXPECT_EQ(b.number, 1);
  EXPECT_FALSE(a.system_attributes.contains("hone:sampled"));
  EXPECT_EQ(b.system_attributes.at("hone:sampled").dump(),
            R"({"known":1,"number":1,"running":[0]})");
  EXPECT_TRUE(one.tell(a, {.values = {1}}));
  EXPECT_FALSE(one.ask(call("c"))->system_attributes.at("hone:sampled").at("running").empty());
}

TEST_F(StudyTest, TellingIsOnceAndByTheOwner) {
  const auto storage = open();
  Study study(*storage, storage->create_study("s", {Direction::minimize}));
  Trial trial = study.ask(call("me")).value();
  Trial stolen = trial;
  stolen.system_attributes[owner_attribute] = "you";
  EXPECT_FALSE(study.tell(stolen, {.values = {1}}));
  EXPECT_FALSE(study.report(stolen, 1, 1));
  EXPECT_ERROR(study.tell(trial, {.values = {1, 2}}), ErrorCode::invalid_argument, "2 values");
  EXPECT_TRUE(study.tell(trial, {.values = {1}, .constraints = {{"size", 0.5}}}));
  EXPECT_FALSE(study.tell(trial, {.values = {2}}));
  study.refresh();
  EXPECT_EQ(study.trials()[0].values, std::vector<double>{1});
  EXPECT_EQ(constraints_of(study.trials()[0]), std::vector<double>{0.5});
  EXPECT_TRUE(study.best().empty()) << "it is not feasible";
}

TEST_F(StudyTest, NotANumberIsAFailureAndPrunedHasItsLastValue) {
  const auto storage = open();
  Study study(*storage, storage->create_study("s", {Direction::maximize}));
  const double infinity = std::numeric_limits<double>::infinity();
  study.tell(study.ask(call("a")).value(), {.values = {std::nan("")}});
  const Trial pruned = study.ask(call("a")).value();
  study.report(pruned, 1, 0.5);
  study.report(pruned, 3, 0.75);
  study.report(pruned, 2, 0.25);
  study.tell(pruned, {.state = TrialState::pruned});
  study.tell(study.ask(call("a")).value(), {.state = TrialState::pruned});
  study.tell(study.ask(call("a")).value(), {.values = {-infinity}});
  study.tell(study.ask(call("a")).value(), {.state = TrialState::fail, .values = {1}});
  study.refresh();
  const std::vector<Trial>& trials = study.trials();
  EXPECT_EQ(trials[0].state, TrialState::fail);
  EXPECT_TRUE(trials[0].user_attributes.contains("hone:error"));
  EXPECT_EQ(trials[1].values, std::vector<double>{0.75});
  EXPECT_EQ(trials[2].state, TrialState::pruned);
  EXPECT_TRUE(trials[2].values.empty());
  EXPECT_EQ(trials[3].values, std::vector<double>{-infinity});
  EXPECT_TRUE(trials[4].values.empty());
  EXPECT_EQ(study.count_finished(), 3);
  EXPECT_EQ(study.best(), std::vector<std::int64_t>{3});
}

TEST_F(StudyTest, EnqueuedTrialsComeFirstWithTheirValues) {
  const auto storage = open();
  Study study(*storage, storage->create_study("s", {Direction::minimize}));
  study.ask(call("a"));
  study.enqueue({{"kind", "b"}, {"n", 4}}, {{"from", "me"}});
  study.enqueue({{"kind", "a"}, {"n", 4}});
  const Trial first = study.ask(call("a")).value();
  EXPECT_EQ(first.number, 1);
  EXPECT_EQ(first.find("n")->value(), Json(4));
  EXPECT_TRUE(first.start.has_value());
  EXPECT_EQ(first.user_attributes.at("from"), Json("me"));
  const Trial second = study.ask(call("b")).value();
  EXPECT_EQ(second.number, 2);
  EXPECT_EQ(second.find("n"), nullptr) << "kind = a has no n";
  EXPECT_EQ(study.ask(call("a"))->number, 3);
  study.enqueue({{"n", 9}});
  // What is outside of the space cannot be tried; others go on.
  EXPECT_EQ(study.ask(call("a"))->number, 5);
  EXPECT_EQ(study.trials()[4].state, TrialState::fail);
  EXPECT_NE(study.trials()[4].user_attributes.at("hone:error").text().find("9"), std::string::npos);
}

TEST_F(StudyTest, AParetoFrontHasWhatNothingBeats) {
  const auto storage = open();
  Study study(*storage, storage->create_study("s", {Direction::maximize, Direction::minimize}));
  const std::vector<std::vector<double>> told{{0.5, 10}, {0.6, 20}, {0.5, 20}, {0.6, 20}, {0.1, 1}};
  for (const auto& values : told) study.tell(study.ask(call("a")).value(), {.values = values});
  study.refresh();
  EXPECT_EQ(study.best(), (std::vector<std::int64_t>{0, 1, 3, 4}));
}

TEST_F(StudyTest, ATrialOfAnEndedProcessGoesOn) {
  const auto storage = open();
  const StudyId id = storage->create_study("s", {Direction::minimize});
  Study study(*storage, id);
  int pipes[2];
  ASSERT_EQ(pipe(pipes), 0);
  const pid_t child = fork();
  if (child == 0) {
    // (A connection may not go through a fork.)
    const auto own = open();
    Study other(*own, id);
    const Trial trial = other.ask(call(new_owner())).value();
    other.report(trial, 5, 0.25);
    (void)!write(pipes[1], "x", 1);
    pause();
    _exit(0);
  }
  char byte;
  ASSERT_EQ(read(pipes[0], &byte, 1), 1);
  const std::string me = new_owner();
  EXPECT_FALSE(has_ended(me));
  EXPECT_TRUE(is_of_this_machine(me));
  EXPECT_FALSE(study.take_over(me, 0).has_value()) << "it lives, however old its sign of life is";
  kill(child, SIGSTOP);
  EXPECT_FALSE(study.take_over(me, 0).has_value()) << "a process that is stopped lives";
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  const std::optional<Trial> taken = study.take_over(me, 3600);
  ASSERT_TRUE(taken.has_value()) << "noticed at once";
  EXPECT_EQ(taken->number, 0);
  EXPECT_EQ(taken->intermediate.at(5), 0.25);
  EXPECT_EQ(taken->state, TrialState::running);
  EXPECT_FALSE(study.take_over(new_owner(), 3600).has_value()) << "it is mine now";
  EXPECT_TRUE(study.tell(*taken, {.values = {1}}));
}

TEST_F(StudyTest, TrialsOfOtherMachinesAreTakenWhenTheirLeaseEnds) {
  const auto storage = open();
  Study study(*storage, storage->create_study("s", {Direction::minimize}));
  const Trial far = study.ask(call("elsewhere/boot/pid:[1]/77/88/1")).value();
  const Trial by_hand = study.ask(call()).value();
  EXPECT_FALSE(study.take_over(new_owner(), 60).has_value());
  EXPECT_EQ(study.take_over(new_owner(), -1)->number, far.number);
  EXPECT_FALSE(study.tell(far, {.values = {1}})) << "what comes late is not taken";
  EXPECT_FALSE(study.take_over(new_owner(), -1).has_value()) << "asked by hand: nobody's";
  EXPECT_TRUE(study.tell(by_hand, {.values = {1}}));
}

TEST(Spaces, ContradictionsAreRefused) {
  const auto refuse = [](std::vector<Dimension> dimensions, const std::string& message) {
    EXPECT_ERROR(Space(std::move(dimensions)), ErrorCode::invalid_argument, message);
  };
  const Distribution unit = reals(0, 1, 0, false, "x");
  const Distribution kinds = categorical({"a", "b"}, "k");
  refuse({dimension("x", unit), dimension("x", unit)}, "twice");
  refuse({dimension("x", unit, {{"k", {"a"}}})}, "no such parameter");
  refuse({dimension("k", kinds), dimension("x", unit, {{"k", {"c"}}})}, "none of its choices");
  refuse({dimension("k", kinds), dimension("x", unit, {{"k", {}}})}, "never exists");
  refuse({dimension("a", kinds, {{"b", {"a"}}}), dimension("b", kinds, {{"a", {"a"}}})},
         "depends on itself");
  EXPECT_ERROR(reals(1, 0, 0, false, "x"), ErrorCode::invalid_argument, "above");
  EXPECT_ERROR(reals(0, 1, 0, true, "x"), ErrorCode::invalid_argument, "logarithm");
  EXPECT_ERROR(reals(0, HUGE_VAL, 0, false, "x"), ErrorCode::invalid_argument, "finite");
  EXPECT_ERROR(integers(0, 5, 0, false, "x"), ErrorCode::invalid_argument, "step");
  EXPECT_ERROR(categorical({}, "x"), ErrorCode::invalid_argument, "no choice");
  EXPECT_ERROR(categorical({1, 1.0}, "x"), ErrorCode::invalid_argument, "twice");
}

TEST(Spaces, GoThroughJson) {
  const Space space = small_space();
  const Space again = Space::from_json(parse_json(space.to_json().dump(), "x"));
  ASSERT_EQ(again.dimensions().size(), 3u);
  EXPECT_EQ(again.to_json(), space.to_json());
  EXPECT_TRUE(again.dimensions()[2].distribution() == space.dimensions()[2].distribution());
}

}  // namespace
}  // namespace hone_test
