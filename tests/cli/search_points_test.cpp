// What decides a point of hone search over networks, and what is kept of it.
#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.hpp"
#include "hone/core/json.hpp"

namespace hone_test {
namespace {

namespace fs = std::filesystem;
using hone::Json;
using testing::HasSubstr;
using testing::Not;

class SearchPoints : public testing::Test {
protected:
  SearchPoints() { write_data("d.csv", false); }

  // Two words that tell the classes apart, or the other way round.
  void write_data(const std::string& name, bool flipped) {
    std::string text = "text,label\n";
    for (int i = 0; i < 60; ++i)
      text += std::string(i % 2 == 0 ? "good" : "bad") + " " + std::to_string(i % 7) + "," +
              std::to_string((i % 2 == 0) != flipped) + "\n";
    folder_.write(name, text);
  }

  // A search named `name` with these further keys, space and tables.
  void write_search(const std::string& name, const std::string& keys, const std::string& space,
                    const std::string& tables = "") {
    folder_.write("vocab/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ngood\nbad\n");
    folder_.write(name + ".toml", R"(recipe = "search"
name = ")" + name + R"("
model = "bert-tiny"
data = "csv:d.csv"
tokenizer = "vocab"
objectives = ["accuracy"]
sampler = "grid"
trials = 2
batch = 8
hidden_size = 16
num_attention_heads = 2
intermediate_size = 16
threads = 1
)" + keys + "\n[space]\n" + space + "\n" +
                                      tables);
  }

  Outcome search(const std::string& name, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words{"search", name + ".toml"};
    words.insert(words.end(), more.begin(), more.end());
    return run_hone(folder_, words);
  }

  Json trials(const std::string& name, const std::string& study = "") {
    const Outcome outcome =
        run_hone(folder_, {"study", "trials",
                           "sqlite:runs/" + name + "/study.db#" + (study.empty() ? name : study),
                           "--json", "-"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return hone::parse_json(outcome.out);
  }

  fs::path point_of(const std::string& name, const Json& trial) {
    return folder_.path() / "runs" / name / "points" /
           trial.at("user_attrs").at("hone:point").text();
  }

  void refused(const std::string& keys, const std::string& space, const std::string& tables,
               const std::string& message) {
    write_search("refused", keys, space, tables);
    const Outcome outcome = search("refused");
    EXPECT_NE(outcome.code, 0) << message;
    EXPECT_THAT(outcome.err, HasSubstr(message));
    EXPECT_FALSE(fs::exists(folder_.path() / "runs/refused"));
  }

  ScratchDirectory folder_;
};

TEST_F(SearchPoints, OfOtherDataAreNotTaken) {
  write_search("a", "steps = 3", "num_hidden_layers = [1, 2]");
  const Outcome first = search("a");
  ASSERT_EQ(first.code, 0) << first.err;
  // There is nothing that the winner can be judged on: said at the beginning, and no error.
  EXPECT_THAT(first.err, HasSubstr("no test split"));
  const std::string again = "sqlite:runs/a/study.db#again";
  EXPECT_THAT(search("a", {"--study", again, "--trials", "3"}).err, HasSubstr("computed before"));
  write_data("d.csv", true);
  // A study of both would compare what cannot be compared.
  const Outcome mixed = search("a", {"--study", again, "--trials", "3"});
  EXPECT_EQ(mixed.code, 1);
  EXPECT_THAT(mixed.err, HasSubstr("the data have changed"));
  EXPECT_EQ(run_hone(folder_, {"worker", "--study", again}).code, 1);
  const Outcome other = search("a", {"--study", "sqlite:runs/a/study.db#other"});
  ASSERT_EQ(other.code, 0) << other.err;
  EXPECT_THAT(other.err, Not(HasSubstr("computed before")));
}

TEST_F(SearchPoints, OfAnotherModelInTheSameFolderAreNotTaken) {
  const auto train = [&](const std::string& seed) {
    fs::remove_all(folder_.path() / "base");
    const Outcome outcome = run_hone(
        folder_, {"train", "bert-tiny", "--data", "csv:d.csv", "--tokenizer", "vocab", "--out",
                  "base", "--steps", "2", "--seed", seed, "--set", "hidden_size=16", "--set",
                  "num_attention_heads=2", "--set", "num_hidden_layers=1"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  };
  folder_.write("vocab/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ngood\nbad\n");
  folder_.write("m.toml", R"(recipe = "search"
name = "m"
model = "base"
data = "csv:d.csv"
training = false
objectives = ["loss"]
sampler = "grid"
trials = 2
[[space.nodes]]
nodes = "linear"
shared = "all"
format = ["none", "integer"]
)");
  train("0");
  ASSERT_EQ(search("m").code, 0);
  train("1");
  EXPECT_THAT(search("m", {"--trials", "3"}).err, HasSubstr("the model has changed"));
  const Outcome other = search("m", {"--study", "sqlite:runs/m/study.db#other"});
  ASSERT_EQ(other.code, 0) << other.err;
  EXPECT_THAT(other.err, Not(HasSubstr("computed before")));
  EXPECT_NE(trials("m")[1].at("values"), trials("m", "other")[1].at("values"));
}

TEST_F(SearchPoints, NoTrialIsTrainedOnWhatItIsJudgedOn) {
  const std::string space = "batch = [4, 8]";
  folder_.write("order.json", "[0, 1, 2, 3]");
  refused("order = \"order.json\"", space, "", "key 'order'");
  refused("split = \"test\"", space, "", "key 'split'");
  refused("", "split = [\"train\", \"test\"]", "", "key 'split'");
  refused("trace = \"t.jsonl\"", space, "", "key 'trace'");
  refused("", space, "[[stages]]\ndo = \"train\"\nvalidation = 0.5\n", "train.validation");
  // Settings that change no result are no dimensions.
  refused("", "checkpoint_every = [5, 7]", "", "no effect");
  refused("", "threads = [1, 2]", "", "no effect");
  refused("", "\"data.samples\" = [5, 7]", "", "samples");
}

TEST_F(SearchPoints, WhatTheirValuesBringAboutEndsTrialsAndNoSearch) {
  write_search("v", "steps = 3", "\"data.text\" = [\"text\", \"nothing\"]");
  const Outcome columns = search("v");
  ASSERT_EQ(columns.code, 0) << columns.err;
  write_search("w", "", "epochs = [0.5, 1, 0]");
  const Outcome epochs = search("w", {"--trials", "3"});
  ASSERT_EQ(epochs.code, 0) << epochs.err;
  for (const char* name : {"v", "w"}) {
    int failed = 0;
    const Json all = trials(name);
    for (const Json& trial : all.elements()) failed += trial.at("state") == Json("FAIL") ? 1 : 0;
    EXPECT_EQ(failed, 1) << name;
    EXPECT_EQ(all.size(), *name == 'v' ? 2u : 3u);
  }
}

TEST_F(SearchPoints, TrialsWithOtherStagesShareTheirTraining) {
  write_search("s", "steps = 3", "\"prune.sparsity\" = [0.1, 0.5, 0.7]",
               "[[stages]]\ndo = \"prune\"\nsparsity = 0.5\n");
  const Outcome outcome = search("s", {"--trials", "3"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json all = trials("s");
  // The network that all begin with was trained once, before the first trial ended ...
  const auto first = fs::last_write_time(point_of("s", all[0]) / "result.json");
  int trainings = 0, models = 0;
  for (const auto& point : fs::directory_iterator(folder_.path() / "runs/s/points")) {
    models += fs::exists(point.path() / "model") ? 1 : 0;
    if (!fs::exists(point.path() / "training")) continue;
    ++trainings;
    EXPECT_LE(fs::last_write_time(point.path() / "training/record.jsonl"), first);
  }
  EXPECT_EQ(trainings, 1);
  // ... and is gone at the end, as all models but the best.
  EXPECT_EQ(models, 1);
}

TEST_F(SearchPoints, AMetricThatIsMissingIsMeasuredOnTheModelThatIsThere) {
  write_search("l", "steps = 3\nkeep_models = \"all\"", "batch = [4, 8]",
               "[[studies]]\nname = \"one\"\n[[studies]]\nname = \"two\"\nmeasure = "
               "[\"latency\"]\n");
  ASSERT_EQ(search("l", {"--study", "sqlite:runs/l/study.db#one"}).code, 0);
  const Json before = trials("l", "one");
  std::map<std::string, std::string> records;
  for (const Json& trial : before.elements())
    records[trial.at("user_attrs").at("hone:point").text()] =
        hone::read_file(point_of("l", trial) / "training/record.jsonl");
  const Outcome more = search("l");
  ASSERT_EQ(more.code, 0) << more.err;
  const Json after = trials("l", "two");
  for (std::size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(after[i].at("values"), before[i].at("values"));
    EXPECT_GT(after[i].at("user_attrs").at("latency").get<double>(), 0);
    EXPECT_EQ(records.at(after[i].at("user_attrs").at("hone:point").text()),
              hone::read_file(point_of("l", after[i]) / "training/record.jsonl"));
  }
}

TEST_F(SearchPoints, WinnersOfStudiesThatAreKeptElsewhereStay) {
  // Both are as good: of each study the first that it tries wins.
  write_search("e", "steps = 1\nlr = 1e-9", "num_hidden_layers = [1, 2]");
  write_data("t.csv", false);
  std::string text =
      hone::read_file(folder_.path() / "e.toml") + "[data_options]\ntest = \"t.csv\"\n";
  folder_.write("e.toml", text);
  text.replace(text.find("[1, 2]"), 6, "[2, 1]");
  folder_.write("f.toml", text);
  ASSERT_EQ(search("e").code, 0);
  const fs::path winner = point_of("e", trials("e")[0]) / "model";
  ASSERT_TRUE(fs::exists(winner));
  ASSERT_EQ(run_hone(folder_, {"search", "f.toml", "--study", "sqlite:other.db#f"}).code, 0);
  EXPECT_TRUE(fs::exists(winner));
  int models = 0;
  for (const auto& point : fs::directory_iterator(folder_.path() / "runs/e/points"))
    models += fs::exists(point.path() / "model") ? 1 : 0;
  EXPECT_EQ(models, 2);
}

TEST_F(SearchPoints, OfTrialsThatFailNoCheckpointsStay) {
  write_search("x", "steps = 40\ncheckpoint_every = 2", "lr = [1e-3, 1e6]");
  const Outcome outcome = search("x");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const auto& point : fs::directory_iterator(folder_.path() / "runs/x/points")) {
    EXPECT_FALSE(fs::exists(point.path() / "training/last"));
    EXPECT_EQ(fs::exists(point.path() / "model"), fs::exists(point.path() / "result.json"));
  }
  EXPECT_NE(trials("x")[0].at("state"), trials("x")[1].at("state"));
}

TEST_F(SearchPoints, AWorkerFindsTheFilesOfItsSearchFromAnyFolder) {
  write_search("w", "steps = 3", "batch = [4, 8]");
  // Nothing is begun; the study is there.
  ASSERT_EQ(search("w", {"--timeout", "1e-9"}).code, 0);
  ASSERT_EQ(trials("w").size(), 0u);
  const ScratchDirectory elsewhere;
  const std::string file =
      fs::relative(folder_.path() / "runs/w/study.db", elsewhere.path()).string();
  const Outcome outcome = run_hone(elsewhere, {"worker", "--study", "sqlite:" + file});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json all = trials("w");
  ASSERT_EQ(all.size(), 2u);
  for (const Json& trial : all.elements()) EXPECT_TRUE(fs::exists(point_of("w", trial)));
}

TEST_F(SearchPoints, SearchesThatBeginTogetherShareTheirStudy) {
  write_search("j", "steps = 1", "batch = [4, 8]");
  std::vector<std::unique_ptr<Program>> searches;
  for (int i = 0; i < 4; ++i)
    searches.push_back(
        std::make_unique<Program>(folder_, std::vector<std::string>{"search", "j.toml"}));
  for (const auto& one : searches) EXPECT_EQ(one->wait().code, 0);
  EXPECT_EQ(trials("j").size(), 2u);
}

TEST_F(SearchPoints, TwoJobsShareTheCores) {
  write_search("t", "steps = 3", "batch = [4, 8]");
  std::string text = hone::read_file(folder_.path() / "t.toml");
  text.erase(text.find("threads = 1\n"), std::string("threads = 1\n").size());
  folder_.write("t.toml", text);
  const Outcome outcome = search("t", {"--jobs", "2"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json all = trials("t");
  for (const Json& trial : all.elements()) {
    std::ifstream record(point_of("t", trial) / "training/record.jsonl");
    std::string begin;
    std::getline(record, begin);
    EXPECT_EQ(hone::parse_json(begin).at("machine").at("threads").get<unsigned>(),
              std::max(1u, std::thread::hardware_concurrency() / 2));
  }
}

}  // namespace
}  // namespace hone_test
