// hone train --lora and hone merge, from the command line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.hpp"

#include "hone/core/json.hpp"

namespace hone_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::vector<std::string> adapt_words(const std::string& model, const std::string& out,
                                     const std::string& lora,
                                     const std::vector<std::string>& more = {}) {
  std::vector<std::string> words{
      "train",  model, "--data", "reviews",          "--out",     out, "--steps", "12",
      "--lora", lora,  "--set",  "data.samples=120", "--threads", "1"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

hone::Json answer(const ScratchDirectory& scratch, const std::string& model) {
  const Outcome told = run_hone(scratch, {"predict", model, "the acting was great ."});
  EXPECT_EQ(told.code, 0) << told.err;
  return hone::parse_json(told.out);
}

double first_logit(const ScratchDirectory& scratch, const std::string& model) {
  return answer(scratch, model).at("logits").elements().at(0).get<double>();
}

TEST(Lora, TrainPredictEvaluateMergeAndGoOn) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("m", {"--steps", "20", "--lr", "1e-3"})).code, 0);
  const Outcome trained =
      run_hone(scratch, adapt_words("m", "a", "rank=4,alpha=16,dropout=0.1,targets=query+value"));
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.err + trained.out,
              AllOf(HasSubstr("adapter 'default' of rank 4 on 2 layers (query, value)"),
                    HasSubstr("an adapter is trained: --lr 0.001")));
  EXPECT_EQ(
      run_hone(scratch, {"eval", "a", "--data", "reviews", "--set", "data.test_samples=40"}).code,
      0);
  EXPECT_EQ(run_hone(scratch, {"explain", "a"}).code, 0);
  EXPECT_EQ(run_hone(scratch, {"inspect", "a"}).code, 0);
  EXPECT_NE(first_logit(scratch, "a"), first_logit(scratch, "m"));
  for (const char* unused : {"--dense", "--keep-masks", "--dequantize"})
    EXPECT_THAT(run_hone(scratch, {"merge", "a", unused, "--out", "p"}).err,
                HasSubstr("changes nothing"))
        << unused;
  const Outcome merged = run_hone(scratch, {"merge", "a", "--out", "p"});
  ASSERT_EQ(merged.code, 0) << merged.err;
  EXPECT_THAT(merged.out, HasSubstr("adapter default merged into 2 layers"));
  EXPECT_NEAR(first_logit(scratch, "p"), first_logit(scratch, "a"), 1e-6);
  for (const char* file : {"model.safetensors", "config.json", "tokenizer.json"})
    EXPECT_TRUE(std::filesystem::exists(scratch.path() / "p" / file)) << file;
  EXPECT_FALSE(std::filesystem::exists(scratch.path() / "p/hone_graph.txt"));
  // The adapter alone is a model too: its base is named in it.
  std::filesystem::create_directories(scratch.path() / "peft");
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors"})
    std::filesystem::copy_file(scratch.path() / "a" / name, scratch.path() / "peft" / name);
  EXPECT_EQ(first_logit(scratch, "peft"), first_logit(scratch, "a"));
  EXPECT_EQ(run_hone(scratch, {"merge", "peft", "--out", "p2"}).code, 0);
  // It starts another run, and goes beside it under another name.
  EXPECT_EQ(run_hone(scratch, adapt_words("m", "b", "adapter=peft")).code, 0);
  const Outcome second = run_hone(scratch, adapt_words("a", "c", "name=second,rank=2"));
  ASSERT_EQ(second.code, 0) << second.err;
  EXPECT_THAT(second.err + second.out, HasSubstr("adapter 'second' of rank 2"));
  EXPECT_TRUE(std::filesystem::exists(scratch.path() / "c/default/adapter_model.safetensors"));
  // What replaces them leaves none of their folders.
  std::filesystem::create_directories(scratch.path() / "c/mine");
  scratch.write("c/mine/adapter_config.json", "{}");
  scratch.write("c/mine/notes.txt", "not of hone");
  ASSERT_EQ(run_hone(scratch, adapt_words("m", "c", "rank=2", {"--overwrite"})).code, 0);
  EXPECT_FALSE(std::filesystem::exists(scratch.path() / "c/default"));
  EXPECT_TRUE(std::filesystem::exists(scratch.path() / "c/mine/adapter_config.json"));
  // A model with an adapter goes on without --lora; a finished run goes on as any other.
  EXPECT_EQ(run_hone(scratch, {"train", "a", "--data", "reviews", "--out", "d", "--steps", "3",
                               "--set", "data.samples=120"})
                .code,
            0);
  std::vector<std::string> longer =
      adapt_words("m", "a", "rank=4,alpha=16,dropout=0.1,targets=query+value", {"--resume"});
  longer[7] = "14";
  const Outcome resumed = run_hone(scratch, longer);
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_NE(run_hone(scratch, adapt_words("m", "a", "rank=2", {"--resume"})).code, 0);
}

TEST(Lora, OverPackedWeights) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("m", {"--steps", "20", "--lr", "1e-3"})).code, 0);
  ASSERT_EQ(run_hone(scratch, {"quantize", "m", "--format", "mxint", "--out", "q"}).code, 0);
  const Outcome trained = run_hone(scratch, adapt_words("q", "a", "rank=4,dora=true"));
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.err + trained.out, testing::Not(HasSubstr("quantization-aware")));
  EXPECT_LT(std::filesystem::file_size(scratch.path() / "a/hone_model.safetensors"),
            std::filesystem::file_size(scratch.path() / "q/hone_model.safetensors") + 60000);
  const Outcome refused = run_hone(scratch, {"merge", "a", "--out", "p"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("packed"), HasSubstr("--dequantize")));
  EXPECT_FALSE(std::filesystem::exists(scratch.path() / "p"));
  EXPECT_EQ(run_hone(scratch, {"merge", "a", "--dequantize", "--out", "p"}).code, 0);
  EXPECT_TRUE(std::filesystem::exists(scratch.path() / "p/model.safetensors"));
  answer(scratch, "p");
}

TEST(Lora, SaysWhatIsWrong) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("m", {"--steps", "2"})).code, 0);
  const auto refused = [&](const std::string& lora, int code, const std::string& message) {
    const Outcome told = run_hone(scratch, adapt_words("m", "x", lora));
    EXPECT_EQ(told.code, code) << lora << "\n" << told.err;
    EXPECT_THAT(told.err, HasSubstr(message));
    EXPECT_FALSE(std::filesystem::exists(scratch.path() / "x")) << lora;
  };
  refused("rnak=3", 2, "did you mean 'rank'?");
  refused("rank=0", 1, "rank is 0");
  refused("name=last", 2, "a checkpoint's folder");
  refused("rank=129", 1, "larger than the layer");
  refused("targets=nothing", 1, "matches no linear layer");
  refused("adapter=nowhere", 1, "adapter_config.json");
  refused("adapter=nowhere,rank=2", 2, "both given");
  EXPECT_THAT(run_hone(scratch, {"merge", "m", "--out", "p"}).err,
              HasSubstr("no adapter to merge"));
  EXPECT_EQ(run_hone(scratch, {"merge", "m", "--out", "m"}).code, 2);
}

}  // namespace
}  // namespace hone_test
