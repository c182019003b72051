// What an objective sees of its trial while it computes.
#include <gtest/gtest.h>

#include "hone/core/error.hpp"
#include "hone/search/worker.hpp"

namespace hone_test {
namespace {

using namespace hone;

// Another worker takes the trial over in the middle of its second one.
class Stolen : public Objective {
public:
  explicit Stolen(Storage& storage) : storage_(storage) {}

  Telling compute(const Trial& trial, TrialWatcher& watcher) override {
    EXPECT_FALSE(watcher.is_lost());
    EXPECT_FALSE(watcher.report(1, 0.5));
    EXPECT_FALSE(watcher.is_lost());
    if (trial.number == 1) {
      EXPECT_TRUE(storage_.change_trial(
          trial.id, {.system_attributes = {{owner_attribute, "another"}}, .heartbeat = true}));
      EXPECT_TRUE(watcher.report(2, 0.25));
      lost = watcher.is_lost();
    }
    return {.values = {static_cast<double>(trial.number)}};
  }

  bool lost = false;

private:
  Storage& storage_;
};

TEST(Worker, KnowsWhenItsTrialBelongsToAnother) {
  const auto storage = open_storage({.url = "memory:"});
  Study study(*storage, storage->create_study("s", {Direction::minimize}));
  WorkerSettings settings;
  settings.space = Space(
      {{std::make_shared<SearchParameter>(SearchParameter{"x", reals(0, 1, 0, false, "x")})}});
  settings.sampler = "random";
  settings.trials = 3;
  Stolen objective(*storage);
  int asked = 0;
  WorkerEvents events;
  // (The stolen trial is never told: the worker would wait for it.)
  events.should_stop = [&] { return objective.lost && ++asked > 3; };
  try {
    work(study, nullptr, objective, settings, events);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::interrupted);
  }
  EXPECT_TRUE(objective.lost);
  study.refresh();
  EXPECT_EQ(study.trials()[0].state, TrialState::complete);
  EXPECT_EQ(study.trials()[1].state, TrialState::running) << "what it told is not taken";
}

}  // namespace
}  // namespace hone_test
