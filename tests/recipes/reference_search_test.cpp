// Search files of MASE in hone's words.
#include "hone/recipes/detail/reference_search.hpp"

#include <gmock/gmock.h>

#include "hone/core/error.hpp"

namespace hone_test {
namespace {

using namespace hone;
using testing::HasSubstr;
using testing::Not;

const char* const example = R"(model = "bert-tiny"
dataset = "reviews"
task = "cls"
load_name = "runs/base"
load_type = "hf"
is_pretrained = true
accelerator = "gpu"
batch_size = 16
max_token_len = 96
project = "mixed"
seed = 3
[search.search_space]
name = "graph/quantize/mixed_precision_ptq"
[search.search_space.setup]
by = "type"
[search.search_space.seed.default.config]
name = ["NA"]
[search.search_space.seed.linear.config]
name = ["NA", "integer"]
data_in_width = [4, 8]
data_in_frac_width = ["NA"]
weight_width = [2, 4]
weight_frac_width = ["NA", 3]
[search.strategy]
name = "optuna"
eval_mode = true
[search.strategy.sw_runner.basic_evaluation]
data_loader = "val_dataloader"
num_samples = 512
[search.strategy.hw_runner.average_bitwidth]
compare_to = 32
[search.strategy.setup]
n_jobs = 2
n_trials = 20
timeout = 20000
sampler = "TPE"
sum_scaled_metrics = false
[search.strategy.metrics]
average_bitwidth.scale = 0.2
average_bitwidth.direction = "minimize"
accuracy.scale = 1.0
accuracy.direction = "maximize"
)";

std::string with(const std::string& from, const std::string& to) {
  std::string text = example;
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TranslatedSearch translated(const std::string& text) {
  return translate_reference_search(parse_toml_text(text, "s.toml"), "s.toml");
}

// The lines that count.
std::string lines_of(const std::string& text) {
  std::string lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    if (!line.starts_with('#')) lines += line + "\n";
  return lines;
}

TEST(ReferenceSearch, IsKnownByItsTables) {
  EXPECT_TRUE(is_reference_search(parse_toml_text(example, "")));
  EXPECT_FALSE(is_reference_search(parse_toml_text("recipe = 'search'\n[space]\nx = [1]", "")));
}

TEST(ReferenceSearch, IsTheSameSearchInOtherWords) {
  const TranslatedSearch search = translated(example);
  EXPECT_EQ(lines_of(search.text), R"(recipe = "search"
model = "runs/base"
data = "reviews"
name = "mixed"
seed = 3
trials = 20
jobs = 2
timeout = 20000
sampler = "tpe"
objectives = ["accuracy", "bits"]
directions = ["maximize", "minimize"]
max_length = 96
training = false
[[space.nodes]]
nodes = "linear"
format = ["none", "integer"]
data_in_width = [4, 8]
weight_width = [2, 4]
weight_frac_width = ["default", 3]
)");
  for (const char* left : {"accelerator", "batch_size", "num_samples", "scale"})
    EXPECT_THAT(search.notes, testing::Contains(HasSubstr(left))) << left;
  for (const std::string& note : search.notes) EXPECT_THAT(search.text, HasSubstr(note));
}

TEST(ReferenceSearch, SeedsByNameArePatternsAndTheDefaultHasTheRest) {
  std::string text = with("by = \"type\"", "by = \"name\"");
  text.replace(text.find("seed.linear"), 11, "seed.bert_encoder_layer_0_output_dense");
  text.replace(text.find("name = [\"NA\"]"), 13,
               "name = [\"mxint\"]\nweight_block_size = [[1, 16], [1, 32]]");
  const std::string lines = lines_of(translated(text).text);
  const std::size_t own =
      lines.find("nodes = \"(?:bert[._]encoder[._]layer[._]0[._]output[._]dense)\"");
  const std::size_t rest = lines.find(
      "nodes = \"linear\"\nformat = [\"mxint\"]\n"
      "weight_block_size = [\"1,16\", \"1,32\"]");
  ASSERT_NE(own, std::string::npos) << lines;
  ASSERT_NE(rest, std::string::npos) << lines;
  EXPECT_LT(own, rest);
}

TEST(ReferenceSearch, TrainingInTrials) {
  const std::string train =
      "[search.strategy.sw_runner.basic_train]\noptimizer = \"adamw\"\nlearning_rate = 1e-4\n"
      "max_epochs = 2\nnum_samples = 100\nlr_scheduler = \"linear\"\nnum_warmup_steps = 5\n"
      "gradient_accumulation_steps = 2\n[search.strategy.setup]";
  const std::string lines = lines_of(translated(with("[search.strategy.setup]", train)).text);
  EXPECT_THAT(lines, Not(HasSubstr("training = false")));
  for (const char* line :
       {"batch = 16\n", "optimizer = \"adamw\"\n", "lr = 0.0001\n", "steps = 7\n",
        "schedule = \"linear\"\n", "warmup = 5\n", "accumulate = 2\n"})
    EXPECT_THAT(lines, HasSubstr(line));
}

TEST(ReferenceSearch, WhatHoneHasNotIsRefusedByName) {
  const auto refused = [](const std::string& from, const std::string& to, const std::string& named,
                          const std::string& remedy) {
    try {
      translated(with(from, to));
      ADD_FAILURE() << to;
    } catch (const Error& error) {
      EXPECT_THAT(error.message(), HasSubstr("s.toml: line ")) << to;
      EXPECT_THAT(error.message(), HasSubstr(named)) << to;
      EXPECT_THAT(error.hint(), HasSubstr(remedy)) << to;
    }
  };
  refused("graph/quantize/mixed_precision_ptq", "graph/tensorrt/mixed_precision_ptq",
          "graph/tensorrt", "graph/quantize/mixed_precision_ptq");
  refused("\"optuna\"", "\"rl\"", "'rl'", "optuna");
  refused("\"TPE\"", "\"nsgaiii\"", "'nsgaiii'", "nsgaii");
  refused("average_bitwidth.scale = 0.2\naverage_bitwidth",
          "memory_density.scale = 1.0\nmemory_density", "memory_density", "average_bitwidth");
  refused("task = \"cls\"", "task = \"lm\"", "'lm'", "cls");
  refused("load_type = \"hf\"", "load_type = \"pl\"", "'pl'", "load_type = \"hf\"");
  refused("seed.linear", "seed.relu", "'relu'", "linear, embedding");
  refused("val_dataloader", "test_dataloader", "test_dataloader", "val_dataloader");
  refused("timeout = 20000", "pkl_ckpt = \"s.pkl\"", "pickled", "the same command");
  refused("n_trials", "ntrials", "'ntrials'", "n_trials");
  refused("batch_size", "batchsize", "'batchsize'", "batch_size");
  refused("by = \"type\"", "by = \"op\"", "'op'", "type");
  refused("accuracy.scale = 1.0", "accuracy.scale = -1.0", "scale", "direction");
  // More bits would be better.
  refused("sum_scaled_metrics = false", "sum_scaled_metrics = true\ndirection = \"maximize\"",
          "average_bitwidth", "scale = -0.2");
}

TEST(ReferenceSearch, SumsBecomeWeights) {
  const std::string own = "average_bitwidth.scale = 0.2";
  const auto sum = [&](const std::string& direction, const std::string& bits,
                       const std::string& accuracy) {
    std::string text = with("sum_scaled_metrics = false",
                            "sum_scaled_metrics = true\ndirection = \"" + direction + "\"");
    text.replace(text.find(own), own.size(), "average_bitwidth.scale = " + bits);
    const std::string there = "accuracy.scale = 1.0";
    text.replace(text.find(there), there.size(), "accuracy.scale = " + accuracy);
    return lines_of(translated(text).text);
  };
  for (const std::string& lines :
       {sum("maximize", "-0.2", "2.0"), sum("minimize", "0.2", "-2.0")}) {
    EXPECT_THAT(lines, HasSubstr("objectives = [\"accuracy\", \"bits\"]\nweights = [2, 0.2]\n"));
    EXPECT_THAT(lines, Not(HasSubstr("directions")));
  }
  // A sum of one metric is that metric.
  std::string text =
      with("sum_scaled_metrics = false", "sum_scaled_metrics = true\ndirection = \"maximize\"");
  text.erase(text.find(own), text.find("accuracy.scale") - text.find(own));
  std::string lines = lines_of(translated(text).text);
  EXPECT_THAT(lines, HasSubstr("objectives = [\"accuracy\"]\n"));
  EXPECT_THAT(lines, Not(HasSubstr("weights")));
}

}  // namespace
}  // namespace hone_test
