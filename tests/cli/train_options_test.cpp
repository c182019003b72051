// What `hone train` and `hone eval` choose, keep, print and refuse.
#include <cmath>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.hpp"
#include "hone/core/json.hpp"
#include "hone/frontends/safetensors.hpp"
#include "hone/record/record.hpp"

namespace hone_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// Every file of a folder, folders included, with its content.
std::vector<std::string> files_of(const std::filesystem::path& folder) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    found.push_back(entry.path().string() +
                    (entry.is_regular_file()
                         ? " " + hone::sha256(hone::read_file(entry.path())) + " " +
                               std::to_string(entry.last_write_time().time_since_epoch().count())
                         : ""));
  std::sort(found.begin(), found.end());
  return found;
}

TEST(TrainOptions, DefaultsAreSaidAndRecorded) {
  const ScratchDirectory scratch;
  const Outcome fresh = run_hone(scratch, train_words("run", {"--steps", "3"}));
  ASSERT_EQ(fresh.code, 0) << fresh.err;
  // hidden_size is 32: 0.032 / 32.
  EXPECT_THAT(fresh.err, HasSubstr("bert-tiny: the weights start at random: --lr 0.001\n"));
  auto lines = hone::Record::read(scratch.path() / "run/record.jsonl");
  EXPECT_EQ(lines.front().at("config").at("lr"), 1e-3);
  EXPECT_EQ(lines.front().at("config").at("keep"), "best");
  EXPECT_EQ(lines.front().at("config").at("metric"), "accuracy");
  EXPECT_EQ(
      lines.front().at("changed").dump(),
      R"(["steps","threads","model_settings.num_hidden_layers","model_settings.hidden_size",)"
      R"("model_settings.intermediate_size","data_settings.samples","data_settings.test_samples"])");
  EXPECT_EQ(lines.back().at("kept"), "best");
  const Outcome again = run_hone(scratch, {"train", "run", "--data", "reviews", "--set",
                                           "data.samples=40", "--out", "more", "--threads", "1"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("run: the weights are pre-trained: --lr 5e-05, --epochs 3\n"));
  lines = hone::Record::read(scratch.path() / "more/record.jsonl");
  EXPECT_EQ(lines.front().at("config").at("lr"), 5e-5);
  EXPECT_EQ(lines.front().at("config").at("epochs"), 3);
  // What was given is not chosen.
  const Outcome given = run_hone(
      scratch, train_words("given", {"--steps", "3", "--lr", "0.002", "--set", "validation=0"}));
  EXPECT_THAT(given.err, Not(HasSubstr("start at random")));
  EXPECT_THAT(given.out, HasSubstr("the last model, of step 3 (epoch 1)"));
}

TEST(TrainOptions, ARefusedResumeLeavesNoMark) {
  const ScratchDirectory scratch;
  const std::vector<std::string> own{"--steps", "8", "--trace", "run/trace.jsonl"};
  ASSERT_EQ(run_hone(scratch, train_words("run", {"--steps", "8"})).code, 0);
  const auto before = files_of(scratch.path() / "run");
  const std::vector<std::vector<std::string>> refused{{"--steps", "8", "--lr", "1"},
                                                      {"--steps", "6"},
                                                      {"--steps", "9", "--batch", "4"},
                                                      {"--steps", "8", "--keep", "last"},
                                                      {"--steps", "8", "--patience", "2"},
                                                      {"--steps", "8", "--metric", "mcc"},
                                                      {"--steps", "8", "--set", "data.samples=200"},
                                                      {"--steps", "8", "--set", "validation=0.2"}};
  for (std::vector<std::string> words : refused) {
    words.insert(words.end(), {"--resume", "--trace", "run/record.jsonl.trace"});
    const Outcome outcome = run_hone(scratch, train_words("run", words));
    EXPECT_EQ(outcome.code, 1) << words[1] << words[2];
    EXPECT_THAT(outcome.err, HasSubstr("resume with the same options")) << words[2];
    EXPECT_EQ(files_of(scratch.path() / "run"), before) << words[2];
  }
  // A damaged checkpoint is found before anything is written as well.
  const std::string state = hone::read_file(scratch.path() / "run/last/hone_state.safetensors");
  scratch.write("run/last/hone_state.safetensors", state.substr(0, state.size() / 2));
  const auto damaged = files_of(scratch.path() / "run");
  const Outcome outcome = run_hone(scratch, train_words("run", {"--steps", "9", "--resume"}));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("hone_state.safetensors"));
  EXPECT_EQ(files_of(scratch.path() / "run"), damaged);
}

TEST(TrainOptions, AFinishedRunGoesOnWithMoreEpochs) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("run", {"--epochs", "1"})).code, 0);
  const Outcome more =
      run_hone(scratch, train_words("run", {"--epochs", "2", "--resume", "--json", "more.json"}));
  ASSERT_EQ(more.code, 0) << more.err;
  EXPECT_EQ(json_of(scratch, "more.json").at("steps"), 54);
  const auto lines = hone::Record::read(scratch.path() / "run/record.jsonl");
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(),
                          [](const hone::Json& line) { return line.at("event") == "step"; }),
            54);
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(),
                          [](const hone::Json& line) { return line.at("event") == "resume"; }),
            1);
}

TEST(TrainOptions, WhatWouldChangeNothingIsRefused) {
  const ScratchDirectory scratch;
  for (const auto& [words, said] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"--patience", "2"}, "patience changes nothing: there is no validation split"},
           {{"--keep", "best"}, "keep = best changes nothing: there is no validation split"},
           {{"--metric", "mcc"}, "metric changes nothing: there is no validation split"}}) {
    std::vector<std::string> all = words;
    all.insert(all.end(), {"--steps", "2", "--set", "validation=0"});
    const Outcome outcome = run_hone(scratch, train_words("run", all));
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr(said));
    EXPECT_FALSE(std::filesystem::exists(scratch.path() / "run"));
  }
  const Outcome equal =
      run_hone(scratch, train_words("run", {"--steps", "2", "--class-weights", "balanced"}));
  EXPECT_EQ(equal.code, 0) << equal.err;
  EXPECT_THAT(equal.err, HasSubstr("class weights: all 1, the data are balanced"));
}

TEST(TrainOptions, ClassWeightsAreSaidAndRecorded) {
  const ScratchDirectory scratch;
  std::string rows = "text,label\n";
  for (int i = 0; i < 40; ++i) rows += i % 4 == 0 ? "I loved it,good\n" : "I hated it,bad\n";
  scratch.write("few.csv", rows);
  ASSERT_EQ(run_hone(scratch, train_words("words", {"--steps", "1"})).code, 0);
  const Outcome train = run_hone(scratch, {"train",           "bert-tiny",
                                           "--data",          "csv:few.csv",
                                           "--tokenizer",     "words",
                                           "--set",           "hidden_size=32",
                                           "--set",           "num_hidden_layers=1",
                                           "--set",           "intermediate_size=64",
                                           "--set",           "validation=0",
                                           "--class-weights", "balanced",
                                           "--steps",         "3",
                                           "--threads",       "1",
                                           "--out",           "run"});
  ASSERT_EQ(train.code, 0) << train.err;
  // 40 / (2 * 30) and 40 / (2 * 10).
  EXPECT_THAT(train.err, HasSubstr("class weights: bad 0.6667, good 2\n"));
  const auto lines = hone::Record::read(scratch.path() / "run/record.jsonl");
  EXPECT_EQ(lines.front().at("config").at("class_weights").at(1), 2);
}

TEST(EvalMetrics, AreTheTablesAndTheJson) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("run", {"--steps", "40"})).code, 0);
  const Outcome eval = run_hone(scratch, {"eval", "run", "--data", "reviews", "--set",
                                          "data.test_samples=200", "--json", "eval.json"});
  ASSERT_EQ(eval.code, 0) << eval.err;
  EXPECT_THAT(eval.out, AllOf(HasSubstr("macro-F1"), HasSubstr("Matthews correlation"),
                              HasSubstr("precision"), HasSubstr("true \\ predicted")));
  const hone::Json json = json_of(scratch, "eval.json");
  EXPECT_EQ(json.at("labels").dump(), R"(["negative","positive"])");
  const auto count = [&](std::size_t i, std::size_t j) {
    return json.at("confusion").at(i).at(j).get<double>();
  };
  EXPECT_EQ(count(0, 0) + count(0, 1) + count(1, 0) + count(1, 1), 200);
  EXPECT_DOUBLE_EQ(json.at("accuracy").get<double>(), (count(0, 0) + count(1, 1)) / 200);
  EXPECT_DOUBLE_EQ(json.at("classes").at(1).at("recall").get<double>(),
                   count(1, 1) / (count(1, 0) + count(1, 1)));
  for (const char* name : {"macro_f1", "mcc"})
    EXPECT_LE(json.at("intervals").at(name).at(0).get<double>(), json.at(name).get<double>());
  // The evaluations of training have the same.
  const auto lines = hone::Record::read(scratch.path() / "run/record.jsonl");
  const auto recorded = std::find_if(lines.begin(), lines.end(), [](const hone::Json& line) {
    return line.at("event") == "eval";
  });
  ASSERT_NE(recorded, lines.end());
  for (const char* key : {"loss", "macro_f1", "mcc", "confusion", "labels", "classes", "low"})
    EXPECT_TRUE(recorded->contains(key)) << key;
}

// Damages a saved model: element 0 of a tensor.
void damage(const ScratchDirectory& scratch, const std::string& name, float value) {
  const std::filesystem::path file = scratch.path() / "run/model.safetensors";
  const hone::TensorStore stored = hone::read_safetensors(file);
  hone::TensorStore copied;
  for (const std::string& one : stored.names()) copied.set(one, stored.at(one).clone());
  copied.at(name).as<float>()[0] = value;
  hone::write_safetensors(file, copied);
}

TEST(EvalMetrics, NoneIsMadeOfNanOrInfinity) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("run", {"--steps", "2"})).code, 0);
  const std::vector<std::string> eval{"eval",    "run",   "--data",
                                      "reviews", "--set", "data.test_samples=20"};
  // Finite weights that overflow: the sample and the node.
  const std::string wide = "bert.encoder.layer.0.intermediate.dense.";
  const std::string original = hone::read_file(scratch.path() / "run/model.safetensors");
  damage(scratch, "bert.embeddings.LayerNorm.bias", 3e38f);
  damage(scratch, "bert.encoder.layer.0.attention.self.query.weight", 1e10f);
  Outcome outcome = run_hone(scratch, eval);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("run: test: sample "), HasSubstr("it begins in node '"),
                                 HasSubstr("for finite numbers of up to 3e+38"),
                                 HasSubstr("the weights are finite")));
  outcome = run_hone(scratch, {"predict", "run", "fine"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("run: text 1: the model's answer is not a finite"),
                                 HasSubstr("the weights are finite")));
  // A NaN among the weights: the parameter.
  scratch.write("run/model.safetensors", original);
  damage(scratch, wide + "bias", NAN);
  outcome = run_hone(scratch, eval);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr(wide + "bias"), HasSubstr("1 NaN, 0 infinite of 64")));
  outcome = run_hone(scratch, {"predict", "run", "fine"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("node 'layer0.wide"),
                    HasSubstr("whose parameter '" + wide + "bias' holds 1 NaN and 0 infinities")));
}

}  // namespace
}  // namespace hone_test
