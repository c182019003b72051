// Points of an experiment: computed once, kept, never mixed with those of other settings.
#include "hone/recipes/experiment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/scratch_directory.hpp"

namespace hone_test {
namespace {

namespace fs = std::filesystem;
using namespace hone;
using testing::HasSubstr;

class ExperimentPoints : public testing::Test {
protected:
  ExperimentSetup setup(Json identity = {{"lr", 1}}) const {
    return {.folder = scratch_.path() / "e",
            .identity = std::move(identity),
            .event = "pruning_point",
            .recipe = "r.toml",
            .command = "hone run r.toml",
            .config = {{"lr", 1}}};
  }

  static ExperimentPoint point(int seed) {
    return {fmt::format("seed-{}", seed), fmt::format("seed {}", seed), {{"seed", seed}}};
  }

  // A point of an experiment that counts how often it is computed.
  Json take(Experiment& experiment, int seed) {
    return experiment.take(point(seed), [&](const fs::path& folder) {
      EXPECT_TRUE(fs::is_directory(folder));
      ++computed_;
      return Json{{"value", 10 * seed}, {"seconds", 1.5}};
    });
  }

  static std::string message_of(const std::function<void()>& run) {
    try {
      run();
    } catch (const Error& error) {
      return error.message();
    }
    return "";
  }

  std::vector<Json> lines() const { return Record::read(scratch_.path() / "e/record.jsonl"); }

  ScratchDirectory scratch_;
  RunWatcher watcher_;
  int computed_ = 0;
};

TEST_F(ExperimentPoints, AreComputedOnceAndKept) {
  for (int time = 0; time < 2; ++time) {
    Experiment experiment(setup(), watcher_);
    EXPECT_EQ(take(experiment, 1).at("value"), 10);
    const Json result = experiment.finish({{"split", "test"}});
    EXPECT_EQ(computed_, 1);
    ASSERT_EQ(result.at("points").size(), 1u);
    // Times differ from run to run.
    EXPECT_FALSE(result.at("points")[0].contains("seconds"));
    EXPECT_EQ(result.at("split"), "test");
  }
  // What was done the second time is nothing: the record has one run.
  int runs = 0, points = 0;
  for (const Json& line : lines()) {
    runs += line.at("event") == "run";
    points += line.at("event") == "pruning_point";
  }
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(points, 1);
  // More points are added to the same record.
  {
    Experiment experiment(setup(), watcher_);
    take(experiment, 1);
    take(experiment, 2);
    experiment.finish(Json::object());
  }
  EXPECT_EQ(computed_, 2);
  points = 0;
  for (const Json& line : lines()) points += line.at("event") == "pruning_point";
  EXPECT_EQ(points, 2);
}

TEST_F(ExperimentPoints, OfOtherSettingsAreRefused) {
  {
    Experiment experiment(setup(), watcher_);
    take(experiment, 1);
  }
  EXPECT_THAT(message_of([&] {
                Experiment(setup({{"lr", 2}}), watcher_);
              }),
              HasSubstr("other settings"));
  // A result that was moved here from another experiment.
  Json moved = parse_json(read_file(scratch_.path() / "e/seed-1/result.json"), "result");
  moved["identity"]["seed"] = 7;
  write_file_atomically(scratch_.path() / "e/seed-1/result.json", moved.dump());
  Experiment experiment(setup(), watcher_);
  EXPECT_THAT(message_of([&] { take(experiment, 1); }), HasSubstr("other settings"));
}

TEST_F(ExperimentPoints, AFolderWhereNothingWasComputedBindsNobody) {
  {
    Experiment experiment(setup(), watcher_);
    EXPECT_THAT(message_of([&] {
                  experiment.take(point(1), [](const fs::path&) -> Json {
                    throw Error(ErrorCode::not_found, "no such data");
                  });
                }),
                HasSubstr("no such data"));
  }
  {
    Experiment experiment(setup({{"lr", 2}}), watcher_);
    take(experiment, 1);
  }
  EXPECT_THAT(message_of([&] { Experiment(setup(), watcher_); }), HasSubstr("other settings"));
}

TEST_F(ExperimentPoints, AFolderOfSomethingElseAndOneThatIsWrittenAreRefused) {
  fs::create_directories(scratch_.path() / "e");
  write_file_atomically(scratch_.path() / "e/notes.txt", "mine\n");
  EXPECT_THAT(message_of([&] { Experiment(setup(), watcher_); }),
              HasSubstr("something else than an experiment"));
  EXPECT_FALSE(fs::exists(scratch_.path() / "e/identity.json"));
  fs::remove(scratch_.path() / "e/notes.txt");
  const Experiment first(setup(), watcher_);
  EXPECT_THAT(message_of([&] { Experiment(setup(), watcher_); }), HasSubstr("another hone"));
}

TEST_F(ExperimentPoints, StopBetweenPointsAndTheRecordSaysSo) {
  {
    Experiment experiment(setup(), watcher_);
    take(experiment, 1);
    watcher_.stop = [] { return true; };
    try {
      take(experiment, 2);
      FAIL() << "was not stopped";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::interrupted);
      experiment.fail(error);
    }
    // What is there needs no computing.
    EXPECT_EQ(take(experiment, 1).at("value"), 10);
  }
  EXPECT_EQ(lines().back().at("status"), "interrupted");
  EXPECT_FALSE(fs::exists(scratch_.path() / "e/seed-2/result.json"));
}

}  // namespace
}  // namespace hone_test
