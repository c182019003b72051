// hone prune: from a trained model to a pruned one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.hpp"

#include "hone/core/json.hpp"
#include "hone/core/record.hpp"

namespace hone_test {
namespace {

using testing::HasSubstr;

hone::Json read_json(const ScratchDirectory& scratch, const char* name) {
  return hone::parse_json(hone::read_file(scratch.path() / name));
}

TEST(Prune, EvaluateTrainQuantizePruneAgainAndReport) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("m", {"--steps", "20", "--lr", "1e-3"})).code, 0);
  const Outcome made =
      run_hone(scratch, {"prune", "m", "--sparsity", "0.5", "--out", "p", "--json", "p.json"});
  ASSERT_EQ(made.code, 0) << made.err;
  const hone::Json result = read_json(scratch, "p.json");
  EXPECT_EQ(result.at("sparsity").get<double>(), 0.5);
  EXPECT_EQ(result.at("layers").size(), 7u);
  EXPECT_LT(result.at("sparsity_of_all").get<double>(), 0.5);
  EXPECT_THAT(made.out, HasSubstr("50.00 %"));
  // The tokenizer went along; the classifier stayed.
  EXPECT_EQ(run_hone(scratch, {"predict", "p", "the acting was great ."}).code, 0);
  EXPECT_EQ(made.out.find("classifier"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(scratch.path() / "p/model.safetensors"));
  EXPECT_THAT(run_hone(scratch, {"inspect", "p"}).out, HasSubstr("prune: linear l1 0.5"));
  const Outcome report = run_hone(scratch, {"report", "p"});
  ASSERT_EQ(report.code, 0) << report.err;
  for (const char* part : {"Pruning", "Dropped of all parameters", "Pruned weights",
                           "weights dropped (50.00 %)", "attention.self.query.weight"})
    EXPECT_THAT(report.out, HasSubstr(part));
  // Training, quantizing and pruning other nodes keep the masks.
  ASSERT_EQ(run_hone(scratch, {"train", "p", "--data", "reviews", "--steps", "5", "--set",
                               "data.samples=240", "--out", "t"})
                .code,
            0);
  ASSERT_EQ(run_hone(scratch, {"quantize", "t", "--format", "mxint", "--out", "q"}).code, 0);
  const Outcome other = run_hone(scratch, {"prune", "q", "--sparsity", "0.25", "--nodes",
                                           "embedding", "--out", "e", "--json", "e.json"});
  ASSERT_EQ(other.code, 0) << other.err;
  const hone::Json both = read_json(scratch, "e.json");
  EXPECT_EQ(both.at("packed"), true);
  EXPECT_EQ(both.at("layers").size(), 10u);
  for (const hone::Json& layer : both.at("layers")) {
    const bool table = layer.at("name").text().find("embeddings") != std::string::npos;
    EXPECT_NEAR(layer.at("sparsity").get<double>(), table ? 0.25 : 0.5, 0.01)
        << layer.at("name").text();
  }
  for (const char* mode : {"compiled", "reference"})
    EXPECT_EQ(run_hone(scratch, {"eval", "e", "--data", "reviews", "--mode", mode, "--set",
                                 "data.test_samples=20"})
                  .code,
              0);
}

TEST(Prune, ActivationsAndTraining) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("m", {"--steps", "5"})).code, 0);
  const Outcome made =
      run_hone(scratch, {"prune", "m", "--sparsity", "0.6", "--activations", "0.3", "--threshold",
                         "--data", "reviews", "--set", "data.samples=240", "--epochs", "0.2",
                         "--gradual", "linear", "--out", "p", "--json", "p.json"});
  ASSERT_EQ(made.code, 0) << made.err;
  const hone::Json result = read_json(scratch, "p.json");
  EXPECT_EQ(result.at("activations").size(), 7u);
  EXPECT_NEAR(result.at("sparsity").get<double>(), 0.6, 1e-3);
  EXPECT_TRUE(result.contains("training"));
  EXPECT_THAT(made.out, HasSubstr("thresh"));
  EXPECT_THAT(run_hone(scratch, {"explain", "p"}).out, HasSubstr("cpu.sparsify"));
  EXPECT_THAT(run_hone(scratch, {"report", "p"}).out, HasSubstr("Trained afterwards"));
  EXPECT_EQ(run_hone(scratch, {"report", "p/training"}).code, 0);
  // As the reference prunes: each at random, the shares right on average.
  const Outcome random =
      run_hone(scratch, {"prune", "m", "--rule", "mase", "--method", "random", "--sparsity", "0.5",
                         "--activations", "0.5", "--out", "r", "--json", "r.json"});
  ASSERT_EQ(random.code, 0) << random.err;
  const double share = read_json(scratch, "r.json").at("sparsity").get<double>();
  EXPECT_NE(share, 0.5);
  EXPECT_NEAR(share, 0.5, 0.05);
  EXPECT_THAT(random.out, HasSubstr("0.5 of the tensor of a call, at random"));
  // The same in --out is said, and replaced where that is asked for.
  const std::vector<std::string> again{"prune", "m", "--activations", "0.5", "--out", "p"};
  EXPECT_THAT(run_hone(scratch, again).err, HasSubstr("already holds a model"));
  std::vector<std::string> replaced = again;
  replaced.emplace_back("--overwrite");
  EXPECT_EQ(run_hone(scratch, replaced).code, 0);
}

TEST(Prune, RefusesWhatChangesNothingOrCannotBe) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("m", {"--steps", "2"})).code, 0);
  const auto fails = [&](std::vector<std::string> words, const char* message) {
    words.insert(words.begin(), {"prune", "m", "--out", "x"});
    const Outcome outcome = run_hone(scratch, words);
    EXPECT_NE(outcome.code, 0) << message;
    EXPECT_THAT(outcome.err, HasSubstr(message));
    EXPECT_FALSE(std::filesystem::exists(scratch.path() / "x"));
  };
  fails({}, "nothing is pruned");
  fails({"--sparsity", "1.5"}, "sparsity");
  fails({"--sparsity", "-1"}, "sparsity");
  fails({"--sparsity", "1"}, "--allow-empty");
  fails({"--method", "l1"}, "--method changes nothing");
  fails({"--sparsity", "0.5", "--epochs", "1"}, "needs --data");
  fails({"--sparsity", "0.5", "--lr", "1e-3"}, "--lr changes nothing");
  fails({"--sparsity", "0.5", "--data", "reviews"}, "--data changes nothing");
  fails({"--sparsity", "0.5", "--gradual", "cubic"}, "--gradual changes nothing");
  fails({"--sparsity", "0.5", "--threshold"}, "--threshold changes nothing");
  fails({"--sparsity", "0.5", "--method", "wanda"}, "--data");
  fails({"--sparsity", "0.5", "--nodes", "layer9.q"}, "matches no node");
  fails({"--sparsity", "0.5", "--nodes", "gelu"}, "takes no mask");
  fails({"--sparsity", "0.6", "--granularity", "2:4"}, "0.5 of the numbers");
  fails({"--granularity", "2:7"}, "no multiple of 7");
  fails({"--sparsity", "0.5", "--granularity", "5x5"}, "do not divide");
  fails({"--sparsity", "0.5", "--granularity", "chanel"}, "unknown granularity");
  fails({"--sparsity", "0.5", "--seed", "3"}, "--seed changes nothing");
  fails({"--granularity", "2:4", "--scope", "global"}, "scope global changes nothing");
  fails({"--sparsity", "0.5", "--budget", "b.toml"}, "beside --budget");
  EXPECT_THAT(run_hone(scratch, {"prune", "m", "--sparsity", "0.5", "--out", "m"}).err,
              HasSubstr("is the model that is read"));
}

}  // namespace
}  // namespace hone_test
