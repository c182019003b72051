// Programs as objectives, asked by a worker of the test's own.
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <fstream>

#include <gtest/gtest.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/search/command_objective.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"

namespace hone_test {
namespace {

using namespace hone;

class Watcher : public TrialWatcher {
public:
  bool report(std::int64_t step, double value) override {
    steps.emplace_back(step, value);
    return stop;
  }
  void check() override {
    if (++checks > most_checks) throw Error(ErrorCode::interrupted, "stop");
  }

  bool stop = false;
  int checks = 0, most_checks = 1000;
  std::vector<std::pair<std::int64_t, double>> steps;
};

class CommandObjectiveTest : public testing::Test {
protected:
  Telling compute(const std::string& body, std::int64_t number = 0) {
    scratch_.write("o.sh", "while read -r line; do\n" + body + "\ndone\n");
    if (objective_ == nullptr) objective_ = command_objective({"sh", "o.sh"}, scratch_.path(), 0.3);
    Trial trial;
    trial.number = number;
    return objective_->compute(trial, watcher_);
  }

  ScratchDirectory scratch_;
  Watcher watcher_;
  std::unique_ptr<Objective> objective_;
};

TEST_F(CommandObjectiveTest, IsAskedLineByLine) {
  const std::string body = R"(echo "$line" >> asked
echo '{"step": 7, "value": NaN}'; read -r answer; echo "$answer" >> asked
echo '{"values": [1, "-Infinity"], "constraints": {"a": 2}}')";
  const Telling telling = compute(body, 5);
  EXPECT_EQ(telling.state, TrialState::complete);
  EXPECT_EQ(telling.values, (std::vector<double>{1, -HUGE_VAL}));
  EXPECT_EQ(telling.constraints.at("a"), 2);
  compute(body, 6);
  EXPECT_EQ(read_file((scratch_.path() / "asked").string()),
            "{\"trial\": 5, \"params\": {}}\n{\"stop\":false}\n"
            "{\"trial\": 6, \"params\": {}}\n{\"stop\":false}\n");
  ASSERT_EQ(watcher_.steps.size(), 2u);
  EXPECT_EQ(watcher_.steps[0].first, 7);
  EXPECT_TRUE(std::isnan(watcher_.steps[0].second));
}

TEST_F(CommandObjectiveTest, AnAnswerTooManyIsNotThatOfTheNextTrial) {
  const std::string body = R"(n=${line#*: }; n=${n%%,*}; echo '{"values": ['$n']}
{"values": [100]}')";
  for (int number = 3; number < 6; ++number) {
    const Telling telling = compute(body, number);
    EXPECT_EQ(telling.values, std::vector<double>{static_cast<double>(number)});
    EXPECT_EQ(telling.user_attributes.contains("hone:note"), number > 3);
    usleep(20000);  // (The other line may be on its way.)
  }
  objective_.reset();
  EXPECT_EQ(compute(R"(echo '{"trial": 7, "values": [1]}')", 7).state, TrialState::complete);
  EXPECT_EQ(compute(R"(echo '{"trial": 7, "values": [1]}')", 8).state, TrialState::fail);
}

TEST_F(CommandObjectiveTest, StoppedTrialsArePrunedWhateverTheProgramSays) {
  watcher_.stop = true;
  EXPECT_EQ(
      compute(R"(echo '{"step": 1, "value": 1}'; read -r answer; echo '{"values": [1]}')").state,
      TrialState::pruned);
}

TEST_F(CommandObjectiveTest, AProgramThatHangsAfterItsStopIsEndedWithAllThatItStarted) {
  watcher_.stop = true;
  const auto begin = std::chrono::steady_clock::now();
  const Telling telling = compute(
      R"(echo '{"step": 1, "value": 1}'; trap '' TERM; sleep 600 & echo $! > child; sleep 600)");
  EXPECT_EQ(telling.state, TrialState::pruned);
  EXPECT_TRUE(telling.user_attributes.contains("hone:note"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  const int child = std::stoi(read_file((scratch_.path() / "child").string()));
  for (int i = 0; i < 200 && kill(child, 0) == 0; ++i) usleep(10000);
  std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
  std::string number, name, state;
  stat >> number >> name >> state;
  EXPECT_TRUE(state.empty() || state == "Z") << state;
  // The next trial has a program of its own.
  watcher_.stop = false;
  EXPECT_EQ(compute("echo '{\"values\": [3]}'").values, std::vector<double>{3});
}

TEST_F(CommandObjectiveTest, WaitingCanBeInterrupted) {
  watcher_.most_checks = 1;
  EXPECT_ERROR(compute("sleep 600"), ErrorCode::interrupted, "stop");
}

TEST_F(CommandObjectiveTest, WhatIsIgnoredHereIsNotIgnoredThere) {
  const Telling telling = compute(R"(cut=$(grep SigIgn /proc/self/status | tr -d '\t ')
echo "{\"values\": [1], \"user_attrs\": {\"ignored\": \"${cut#*:}\"}}")");
  const std::string ignored = telling.user_attributes.at("ignored").text();
  const auto mask = std::stoull(ignored, nullptr, 16);
  EXPECT_EQ(mask & (1ull << (SIGPIPE - 1)), 0u);
}

TEST_F(CommandObjectiveTest, EndlessLinesAndEndedProgramsFail) {
  const Telling endless = compute("head -c 20000000 /dev/zero | tr '\\0' 'x'");
  EXPECT_EQ(endless.state, TrialState::fail);
  EXPECT_NE(endless.user_attributes.at("hone:error").text().find("has no end"), std::string::npos);
  EXPECT_EQ(compute("exit 4").user_attributes.at("hone:error"),
            Json("objective_command: the program ended (exit status 4)"));
  EXPECT_ERROR(command_objective({}, ""), ErrorCode::invalid_argument, "no program");
}

}  // namespace
}  // namespace hone_test
