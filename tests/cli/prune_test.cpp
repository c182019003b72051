// hone prune: from a trained model to a pruned one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cli/program.hpp"

#include "hone/core/json.hpp"
#include "hone/record/record.hpp"

namespace hone_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::size_t first = 0;

TEST(Prune, EvaluateTrainQuantizePruneAgainAndReport) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("m", {"--steps", "20", "--lr", "1e-3"})).code, 0);
  const Outcome made =
      run_hone(scratch, {"prune", "m", "--sparsity", "0.5", "--out", "p", "--json", "p.json"});
  ASSERT_EQ(made.code, 0) << made.err;
  const hone::Json result = read_json(scratch.path() / "p.json");
  EXPECT_EQ(result.at("sparsity").get<double>(), 0.5);
  EXPECT_EQ(result.at("layers").size(), 7u);
  EXPECT_LT(result.at("sparsity_of_all").get<double>(), 0.5);
  EXPECT_THAT(made.out, HasSubstr("50.00 %"));
  // The tokenizer went along; the classifier stayed.
  EXPECT_EQ(run_hone(scratch, {"predict", "p", "the acting was great ."}).code, 0);
  EXPECT_EQ(made.out.find("classifier"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(scratch.path() / "p/model.safetensors"));
  EXPECT_THAT(run_hone(scratch, {"inspect", "p"}).out, HasSubstr("prune: layers l1 0.5"));
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
  const hone::Json both = read_json(scratch.path() / "e.json");
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
  const hone::Json result = read_json(scratch.path() / "p.json");
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
  const double share = read_json(scratch.path() / "r.json").at("sparsity").get<double>();
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
  fails({"--activations", "0.5", "--rule", "mase", "--method", "l2"}, "--method changes nothing");
  fails({"--sparsity", "0.5", "--activations", "0.3", "--nodes", "embedding"},
        "activations change nothing");
  fails({"--sparsity", "0"}, "sparsity 0 changes nothing");
  fails({"--sparsity", "0.5", "--epochs", "1"}, "needs --data");
  fails({"--sparsity", "0.5", "--lr", "1e-3"}, "--lr changes nothing without");
  fails({"--sparsity", "0.5", "--data", "reviews"}, "--data changes nothing without");
  fails({"--sparsity", "0.5", "--gradual", "cubic"}, "--gradual changes nothing without");
  fails({"--sparsity", "0.5", "--threshold"}, "--threshold changes nothing without");
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

// Pruned by structure, trained on, then smaller: the same answers, told everywhere.
TEST(Prune, RemoveMakesShapesSmallerAndSaysSo) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("m", {"--steps", "10", "--lr", "1e-3"})).code, 0);
  ASSERT_EQ(run_hone(scratch, {"prune", "m", "--sparsity", "0.5", "--granularity", "neuron",
                               "--nodes", ".*wide,.*narrow", "--no-measure", "--out", "p"})
                .code,
            0);
  ASSERT_EQ(run_hone(scratch, {"train", "p", "--data", "reviews", "--steps", "5", "--set",
                               "data.samples=240", "--out", "t"})
                .code,
            0);
  const Outcome made =
      run_hone(scratch, {"prune", "t", "--remove", "--tokens", "16", "--out", "r", "--json", "j"});
  ASSERT_EQ(made.code, 0) << made.err;
  for (const char* part : {"layer0.wide", "neurons", "16 tokens", "removed", "dense", "->"})
    EXPECT_THAT(made.out, HasSubstr(part));
  const hone::Json result = read_json(scratch.path() / "j");
  EXPECT_EQ(result.at("removed"), true);
  EXPECT_EQ(result.at("neurons").at(first).at("before"), 64);
  EXPECT_EQ(result.at("neurons").at(first).at("after"), 32);
  // 32 rows of 32 with their biases, 32 columns of 32.
  EXPECT_EQ(result.at("parameters").get<int>() - result.at("parameters_after").get<int>(),
            32 * 32 + 32 + 32 * 32);
  EXPECT_LT(result.at("bytes_after").get<int>(), result.at("bytes_before").get<int>());
  EXPECT_EQ(result.at("disk_bytes").get<std::uintmax_t>(),
            std::filesystem::file_size(scratch.path() / "r/hone_model.safetensors"));
  EXPECT_LT(result.at("disk_bytes").get<int>(), result.at("disk_bytes_before").get<int>());
  std::vector<std::string> timed;
  for (const hone::Json& entry : result.at("latency"))
    timed.push_back(entry.at("name").get<std::string>());
  // (Where vectors are wide, layers this small stay dense.)
  EXPECT_THAT(timed, testing::AnyOf(testing::ElementsAre("dense", "masked", "sparse", "removed"),
                                    testing::ElementsAre("dense", "masked", "removed")));
  EXPECT_FALSE(result.at("verdict").text().empty());
  EXPECT_THAT(made.out, HasSubstr(result.at("verdict").text()));
  // The same answers; the tokenizer and the history went along.
  const auto answer = [&](const char* folder) {
    const Outcome outcome = run_hone(scratch, {"predict", folder, "the acting was great ."});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return hone::parse_json(outcome.out).at("logits").at(first).get<double>();
  };
  EXPECT_NEAR(answer("r"), answer("t"), 1e-5 * std::abs(answer("t")));
  EXPECT_THAT(run_hone(scratch, {"inspect", "r"}).out,
              AllOf(HasSubstr("remove: "), HasSubstr("on disk")));
  const Outcome report = run_hone(scratch, {"report", "r"});
  for (const char* part : {"32 of 64 neurons", "Latency of the pruned model", "Against dense"})
    EXPECT_THAT(report.out, HasSubstr(part));
  const Outcome html = run_hone(scratch, {"report", "r", "-o", "r.html"});
  ASSERT_EQ(html.code, 0) << html.err;
  const std::string page = hone::read_file(scratch.path() / "r.html");
  EXPECT_THAT(page, HasSubstr("pruned-latency"));
  // It goes on: trained, pruned and quantized.
  EXPECT_EQ(run_hone(scratch, {"train", "r", "--data", "reviews", "--steps", "2", "--set",
                               "data.samples=240", "--out", "rt"})
                .code,
            0);
  EXPECT_EQ(run_hone(scratch, {"quantize", "r", "--format", "mxint", "--out", "rq"}).code, 0);
  // Pruning and removing in one, also with training between.
  const Outcome once =
      run_hone(scratch, {"prune", "m", "--sparsity", "0.5", "--granularity", "head", "--remove",
                         "--data", "reviews", "--steps", "3", "--set", "data.samples=240", "--out",
                         "h", "--json", "h.json"});
  ASSERT_EQ(once.code, 0) << once.err;
  EXPECT_EQ(read_json(scratch.path() / "h.json").at("heads").at(first).at("after"), 1);
  EXPECT_TRUE(read_json(scratch.path() / "h.json").contains("training"));
}

TEST(Prune, RemoveRefusesByName) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("m", {"--steps", "2"})).code, 0);
  ASSERT_EQ(
      run_hone(scratch, {"prune", "m", "--sparsity", "0.5", "--no-measure", "--out", "e"}).code, 0);
  ASSERT_EQ(run_hone(scratch, {"quantize", "e", "--format", "mxint", "--out", "q"}).code, 0);
  ASSERT_EQ(run_hone(scratch, {"train", "e", "--lora", "rank=2", "--data", "reviews", "--steps",
                               "2", "--set", "data.samples=240", "--out", "l"})
                .code,
            0);
  const auto fails = [&](std::vector<std::string> words, const char* message, const char* hint) {
    words.insert(words.begin(), "prune");
    words.insert(words.end(), {"--out", "x"});
    const Outcome outcome = run_hone(scratch, words);
    EXPECT_NE(outcome.code, 0) << message;
    EXPECT_THAT(outcome.err, AllOf(HasSubstr(message), HasSubstr(hint)));
    EXPECT_FALSE(std::filesystem::exists(scratch.path() / "x"));
  };
  fails({"e", "--remove"}, "e: nothing to remove: zeros are scattered", "--granularity head");
  fails({"m", "--remove"}, "m: nothing to remove: no weight has a mask", "--granularity head");
  fails({"q", "--remove"}, "q: its numbers are rounded", "remove first");
  fails({"l", "--remove"}, "l: it carries the adapter 'default'", "hone merge l");
  fails({"e", "--remove", "--method", "l2"}, "--method changes nothing", "--remove alone");
  fails({"e", "--remove", "--nodes", "linear"}, "--nodes changes nothing", "leave it out");
  fails({"e", "--remove", "--epochs", "1"}, "--epochs changes nothing", "leave it out");
  fails({"e", "--remove", "--granularity", "head"}, "--granularity changes nothing", "");
  fails({"e", "--remove", "--no-measure", "--tokens", "4"}, "--tokens changes nothing", "");
  fails({"m", "--sparsity", "0.3", "--tokens", "100000"}, "100000 tokens", "512");
  // Found before anything is trained.
  fails({"m", "--sparsity", "0.5", "--remove", "--data", "reviews", "--epochs", "100"},
        "nothing to remove: zeros are scattered", "");
}

TEST(Prune, LatencyIsMeasuredUnlessAskedNot) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("m", {"--steps", "2"})).code, 0);
  const Outcome measured = run_hone(scratch, {"prune", "m", "--sparsity", "0.5", "--tokens", "8",
                                              "--out", "a", "--json", "a.json"});
  EXPECT_THAT(measured.out, HasSubstr("8 tokens"));
  EXPECT_EQ(read_json(scratch.path() / "a.json").at("latency_tokens"), 8);
  const auto lines = hone::Record::read(scratch.path() / "a/record.jsonl");
  EXPECT_TRUE(std::any_of(lines.begin(), lines.end(), [](const hone::Json& line) {
    return line.at("event").text() == "pruned" && line.contains("verdict");
  }));
  // (Before hours of training.)
  const Outcome longer = run_hone(scratch, {"prune", "m", "--sparsity", "0.5", "--tokens", "5000",
                                            "--data", "reviews", "--steps", "2", "--out", "c"});
  EXPECT_THAT(longer.err, HasSubstr("the model takes 512"));
  EXPECT_FALSE(std::filesystem::exists(scratch.path() / "c"));
  const Outcome quiet = run_hone(scratch, {"prune", "m", "--sparsity", "0.5", "--no-measure",
                                           "--out", "b", "--json", "b.json"});
  EXPECT_EQ(quiet.out.find("median"), std::string::npos) << quiet.out;
  EXPECT_FALSE(read_json(scratch.path() / "b.json").contains("latency"));
  // Half of the numbers by bits and values: less than before, though masks came.
  EXPECT_LT(read_json(scratch.path() / "b.json").at("disk_bytes").get<int>(),
            read_json(scratch.path() / "b.json").at("disk_bytes_before").get<int>());
  const Outcome explained = run_hone(scratch, {"explain", "b", "--json", "x.json"});
  EXPECT_THAT(explained.out, AllOf(HasSubstr("scattered"), HasSubstr("no mask"), HasSubstr("why")));
  const hone::Json products = read_json(scratch.path() / "x.json").at("sparse_products");
  ASSERT_EQ(products.size(), 8u);
  EXPECT_EQ(products.at(first).at("sparse"), false);
  EXPECT_THAT(products.at(first).at("reason").text(), HasSubstr("density 0.5"));
  EXPECT_THAT(run_hone(scratch, {"explain", "b", "--training"}).out,
              HasSubstr("training changes the weights"));
  EXPECT_THAT(run_hone(scratch, {"explain", "b", "--disable-pass", "fuse_sparse"}).out,
              HasSubstr("without the pass fuse_sparse"));
  EXPECT_EQ(run_hone(scratch, {"explain", "m"}).out.find("no mask"), std::string::npos);
}

// What a run left in --out is no part of the model that replaces it.
TEST(Prune, OverwritingClearsWhatRunsLeft) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("m", {"--steps", "2"})).code, 0);
  ASSERT_EQ(run_hone(scratch, {"train", "m", "--lora", "rank=2", "--data", "reviews", "--steps",
                               "2", "--set", "data.samples=240", "--out", "l"})
                .code,
            0);
  const auto exists = [&](const std::string& name) {
    return std::filesystem::exists(scratch.path() / name);
  };
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"prune", "m", "--sparsity", "0.5", "--no-measure"},
        std::vector<std::string>{"merge", "l"}}) {
    ASSERT_EQ(run_hone(scratch, train_words("o", {"--steps", "4", "--overwrite"})).code, 0);
    ASSERT_TRUE(exists("o/last"));
    for (const char* folder : {"o/training", "o/masked"})
      std::filesystem::create_directories(scratch.path() / folder);
    scratch.write("o/mine.txt", "stays");
    std::vector<std::string> replace = words;
    replace.insert(replace.end(), {"--out", "o"});
    EXPECT_THAT(run_hone(scratch, replace).err, HasSubstr("already holds a model"));
    EXPECT_TRUE(exists("o/last"));
    replace.emplace_back("--overwrite");
    const Outcome replaced = run_hone(scratch, replace);
    ASSERT_EQ(replaced.code, 0) << replaced.err;
    for (const char* part : {"o/last", "o/best", "o/training", "o/masked"})
      EXPECT_FALSE(exists(part)) << part;
    EXPECT_TRUE(exists("o/mine.txt"));
    EXPECT_EQ(exists("o/record.jsonl"), words[0] == "prune");
    EXPECT_EQ(run_hone(scratch, {"predict", "o", "great"}).code, 0);
  }
}

}  // namespace
}  // namespace hone_test
