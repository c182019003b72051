// hone run: the file is checked line by line, finished seeds are not repeated.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.hpp"
#include "hone/core/json.hpp"

namespace hone_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const std::string small_training = R"(recipe = "train"
name = "small"
model = "bert-tiny"
data = "reviews"
seeds = [3, 4]
steps = 6
lr = 1e-3
threads = 1
[model_options]
num_hidden_layers = 1
hidden_size = 32
[data_options]
samples = 120
test_samples = 40
)";

TEST(Recipe, RunsEverySeedOnce) {
  const ScratchDirectory scratch;
  scratch.write("small.toml", small_training);
  const Outcome first = run_hone(scratch, {"run", "small.toml", "--json", "result.json"});
  ASSERT_EQ(first.code, 0) << first.err;
  const auto result = json_of(scratch, "result.json");
  ASSERT_EQ(result.at("runs").size(), 2u);
  EXPECT_EQ(result.at("split"), "test");
  const double mean = (result["runs"][0]["test"]["accuracy"].get<double>() +
                       result["runs"][1]["test"]["accuracy"].get<double>()) /
                      2;
  EXPECT_NEAR(result.at("accuracy").get<double>(), mean, 1e-12);
  EXPECT_THAT(first.out, HasSubstr("mean"));
  EXPECT_TRUE(std::filesystem::exists(scratch.path() / "runs/small/result.json"));
  const std::string record = hone::read_file(scratch.path() / "runs/small/seed-3/record.jsonl");
  const Outcome second = run_hone(scratch, {"run", "small.toml"});
  ASSERT_EQ(second.code, 0) << second.err;
  EXPECT_THAT(second.err, HasSubstr("seed 3: already finished"));
  EXPECT_EQ(second.out, first.out);
  EXPECT_EQ(hone::read_file(scratch.path() / "runs/small/seed-3/record.jsonl"), record);
  // Other settings are another experiment.
  const Outcome other = run_hone(scratch, {"run", "small.toml", "--set", "lr=1e-4"});
  EXPECT_EQ(other.code, 1);
  EXPECT_THAT(other.err, HasSubstr("holds the result of other settings"));
  // All seeds in one report.
  EXPECT_THAT(run_hone(scratch, {"report", "runs/small"}).out,
              AllOf(HasSubstr("seed-3"), HasSubstr("seed-4")));
}

// The recipes of the project are in the program: no file is needed.
TEST(Recipe, ThoseOfTheProjectRunByName) {
  const ScratchDirectory scratch;
  const Outcome list = run_hone(scratch, {"list", "recipes", "--json", "list.json"});
  ASSERT_EQ(list.code, 0) << list.err;
  const auto json = json_of(scratch, "list.json");
  std::vector<std::string> names;
  for (const auto& recipe : json.at("recipes")) {
    names.push_back(recipe.at("name").get<std::string>());
    EXPECT_THAT(recipe.at("summary").get<std::string>(), HasSubstr("; needs "));
    // Its text is the file's.
    const Outcome shown = run_hone(scratch, {"run", names.back(), "--show"});
    EXPECT_EQ(shown.out, hone::read_file(std::filesystem::path(HONE_SOURCE_DIR) / "recipes" /
                                         (names.back() + ".toml")));
  }
  EXPECT_THAT(names, testing::IsSupersetOf({"demo", "ptq-vs-qat", "train-imdb"}));
  const Outcome run = run_hone(
      scratch, {"run", "demo", "--set", "steps=2", "--set", "data.samples=40", "--set",
                "data.test_samples=20", "--set", "num_hidden_layers=1", "--set", "threads=1"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(std::filesystem::exists(scratch.path() / "runs/demo/seed-0/record.jsonl"));
  // A file of that name comes first.
  scratch.write("demo", "recipe = \"trian\"\n");
  EXPECT_THAT(run_hone(scratch, {"run", "demo"}).err, HasSubstr("demo: line 1: unknown recipe"));
}

TEST(Recipe, WhatIsMissingIsSaid) {
  const ScratchDirectory scratch;
  const Outcome outcome = run_hone(scratch, {"run", "train-imdb", "--set", "tokenizer=nowhere"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("nowhere"), HasSubstr("this recipe needs the Large"),
                                 HasSubstr("hone data fetch imdb")));
}

TEST(Recipe, ErrorsNameFileLineAndNearestKey) {
  const ScratchDirectory scratch;
  const auto error_of = [&](const std::string& content, std::vector<std::string> more = {}) {
    scratch.write("r.toml", content);
    std::vector<std::string> words{"run", "r.toml"};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = run_hone(scratch, words);
    EXPECT_EQ(outcome.code, 1) << outcome.err;
    return outcome.err;
  };
  EXPECT_THAT(error_of("recipe = \"train\"\nbach = 3\n"),
              AllOf(HasSubstr("r.toml: line 2: unknown key 'bach'"), HasSubstr("'batch'")));
  EXPECT_THAT(error_of("recipe = \"train\"\n\nbatch = \"many\"\n"),
              HasSubstr("r.toml: line 3: key 'batch': expected a whole number"));
  EXPECT_THAT(error_of("recipe = \"trian\"\n"),
              AllOf(HasSubstr("r.toml: line 1: unknown recipe 'trian'"), HasSubstr("'train'")));
  EXPECT_THAT(error_of("name = \"x\"\n"), HasSubstr("key 'recipe' is missing"));
  EXPECT_THAT(error_of("recipe = \"train\"\nname = [\n"), HasSubstr("r.toml: line "));
  EXPECT_THAT(error_of("recipe = \"train\"\n[dat]\nx = 1\n"), HasSubstr("unknown table [dat]"));
  EXPECT_THAT(error_of("recipe = \"train\"\nname = \"x\"\nmodel = \"bert-tiny\"\n"),
              HasSubstr("key 'data' is missing"));
  EXPECT_THAT(error_of("recipe = \"train\"\nname = \"x\"\nseeds = [1, 1]\nmodel = "
                       "\"bert-tiny\"\ndata = \"reviews\"\n"),
              HasSubstr("named twice"));
  EXPECT_THAT(error_of("recipe = \"train\"\nmodel = \"${HONE_TEST_UNSET}\"\n"),
              HasSubstr("HONE_TEST_UNSET is not set"));
  for (const char* name : {"name=", "name=..", "name=../x", "name=/tmp"})
    EXPECT_THAT(error_of(small_training, {"--set", name}),
                HasSubstr("is not the name of a folder"));
}

TEST(Recipe, VariablesHaveDefaults) {
  const ScratchDirectory scratch;
  scratch.write("tokenizer/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
  scratch.write(
      "r.toml",
      "recipe = \"train\"\nname = \"x\"\nmodel = \"bert-tiny\"\ntokenizer = \"tokenizer\"\n"
      "data = \"csv:${HONE_TEST_VARIABLE:-some/where}/a.csv\"\n");
  EXPECT_THAT(run_hone(scratch, {"run", "r.toml"}).err, HasSubstr("some/where/a.csv"));
  ::setenv("HONE_TEST_VARIABLE", "set/place", 1);
  EXPECT_THAT(run_hone(scratch, {"run", "r.toml"}).err, HasSubstr("set/place/a.csv"));
  ::unsetenv("HONE_TEST_VARIABLE");
}

TEST(Recipe, ThoseOfTheProjectAreRead) {
  const ScratchDirectory scratch;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(HONE_SOURCE_DIR) / "recipes")) {
    if (entry.path().extension() != ".toml") continue;
    // (It makes its own inputs.)
    if (hone::read_file(entry.path()).find("recipe = \"attention\"") != std::string::npos) {
      const Outcome outcome = run_hone(
          scratch, {"run", entry.path().string(), "--set", "lengths=16", "--set", "heads=2",
                    "--set", "head_size=8", "--set", "runs=1", "--set", "out=attention"});
      EXPECT_EQ(outcome.code, 0) << outcome.err;
      EXPECT_THAT(outcome.out, AllOf(HasSubstr("bf16"), HasSubstr("fused")));
      continue;
    }
    if (entry.path().stem() == "eager-vs-compiled") {
      const Outcome outcome =
          run_hone(scratch, {"run", entry.path().string(), "--set", "model=small-cnn", "--set",
                             "batch=2", "--set", "runs=1,3"});
      EXPECT_EQ(outcome.code, 0) << outcome.err;
      EXPECT_THAT(outcome.out, AllOf(HasSubstr("compilation included"), HasSubstr("x eager")));
      continue;
    }
    // The data is not there, which is found only after the whole file was read.
    const bool search =
        hone::read_file(entry.path()).find("recipe = \"search\"") != std::string::npos;
    const Outcome outcome =
        run_hone(scratch, {search ? "search" : "run", entry.path().string(), "--set",
                           "data=csv:nowhere.csv", "--set", "tokenizer=nowhere"});
    EXPECT_EQ(outcome.code, 1);
    // One starts from what another one makes.
    EXPECT_THAT(outcome.err,
                testing::AnyOf(HasSubstr("nowhere"), HasSubstr("/seed-0: neither a folder")))
        << entry.path();
  }
}

}  // namespace
}  // namespace hone_test
