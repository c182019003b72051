// hone search of a file of MASE's: what it does with a model that was trained before.
#include <cmath>

#include <gmock/gmock.h>

#include "cli/program.hpp"
#include "hone/core/json.hpp"

namespace hone_test {
namespace {

using namespace hone;
using testing::HasSubstr;

class ReferenceSearchRuns : public testing::Test {
protected:
  ReferenceSearchRuns() {
    EXPECT_EQ(run_hone(scratch_, {"train", "bert-tiny", "--data", "reviews", "--steps", "40",
                                  "--set", "data.samples=300", "--set", "data.test_samples=60",
                                  "--max-length", "32", "--lr", "1e-3", "--out", "base"})
                  .code,
              0);
  }
  void write(const std::string& space, const std::string& metrics) const {
    scratch_.write("m.toml",
                   "model = 'bert-tiny'\nload_name = 'base'\nload_type = 'hf'\ntask = 'cls'\n"
                   "dataset = 'reviews'\nmax_token_len = 32\naccelerator = 'gpu'\n"
                   "[search.search_space]\nname = 'graph/quantize/mixed_precision_ptq'\n" +
                       space +
                       "[search.strategy]\nname = 'optuna'\n"
                       "[search.strategy.sw_runner.basic_evaluation]\n"
                       "data_loader = 'val_dataloader'\n[search.strategy.setup]\nn_trials = 4\n"
                       "n_jobs = 1\nsampler = 'random'\nsum_scaled_metrics = false\n"
                       "[search.strategy.metrics]\n" +
                       metrics);
  }
  Outcome search(std::vector<std::string> more = {}) const {
    std::vector<std::string> words{"search",           "m.toml", "--set",
                                   "data.samples=300", "--set",  "data.test_samples=60"};
    words.insert(words.end(), more.begin(), more.end());
    return run_hone(scratch_, words);
  }
  Json trials(const std::string& study = "sqlite:runs/m/study.db") const {
    return parse_json(run_hone(scratch_, {"study", "trials", study, "--json", "-"}).out);
  }

  ScratchDirectory scratch_;
};

TEST_F(ReferenceSearchRuns, ByTypeGivesFormatsToEachNode) {
  write(
      "[search.search_space.setup]\nby = 'type'\n"
      "[search.search_space.seed.default.config]\nname = ['NA']\n"
      "[search.search_space.seed.linear.config]\nname = ['NA', 'integer']\n"
      "data_in_width = [8]\ndata_in_frac_width = ['NA']\nweight_width = [4, 8]\n"
      "weight_frac_width = ['NA']\nbias_width = [8]\nbias_frac_width = ['NA']\n",
      "accuracy.scale = 1.0\naccuracy.direction = 'maximize'\n"
      "average_bitwidth.scale = 0.2\naverage_bitwidth.direction = 'minimize'\n");
  const Outcome outcome = search();
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("left out: accelerator"));
  const Json all = trials();
  ASSERT_EQ(all.size(), 4u);
  std::set<double> bits;
  for (const Json& trial : all) {
    EXPECT_EQ(trial.at("state"), Json("COMPLETE"));
    // What was chosen is what is stored: weights of 4, 8 or 32 bits.
    int formats = 0;
    for (const auto& [name, value] : trial.at("params").items()) {
      if (!name.ends_with(".format")) continue;
      ++formats;
      const std::string width = name.substr(0, name.size() - 6) + "weight_width";
      EXPECT_EQ(trial.at("params").contains(width), value == Json("integer")) << width;
    }
    EXPECT_EQ(formats, 14);
    bits.insert(trial.at("values")[1].get<double>());
    EXPECT_GT(trial.at("values")[1].get<double>(), 4);
    EXPECT_LT(trial.at("values")[1].get<double>(), 32);
  }
  EXPECT_GT(bits.size(), 1u);
}

// The values of trials are the sum that the file says, of metrics that are kept with them.
TEST_F(ReferenceSearchRuns, ScaledMetricsAreSummed) {
  write(
      "[search.search_space.setup]\nby = 'type'\n"
      "[search.search_space.seed.linear.config]\nname = ['NA', 'integer']\nweight_width = [4, 8]\n",
      "accuracy.scale = 2.0\naverage_bitwidth.scale = -0.01\n");
  std::string text = read_file((scratch_.path() / "m.toml").string());
  const std::string separate = "sum_scaled_metrics = false";
  text.replace(text.find(separate), separate.size(),
               "sum_scaled_metrics = true\ndirection = 'maximize'");
  scratch_.write("m.toml", text);
  const Outcome outcome = search();
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  std::set<double> sums;
  for (const Json& trial : trials()) {
    ASSERT_EQ(trial.at("values").size(), 1u);
    const Json& metrics = trial.at("user_attrs");
    EXPECT_NEAR(trial.at("values")[0].get<double>(),
                2 * metrics.at("accuracy").get<double>() - 0.01 * metrics.at("bits").get<double>(),
                1e-12);
    sums.insert(trial.at("values")[0].get<double>());
  }
  EXPECT_GT(sums.size(), 1u);
}

// Each trial begins with the model as it was, and with metrics of its own: what one gives does not
// depend on those before.
TEST_F(ReferenceSearchRuns, ATrialDependsOnItsOwnValuesAlone) {
  write(
      "[search.search_space.setup]\nby = 'name'\n"
      "[search.search_space.seed.bert_encoder_layer_0_output_dense.config]\n"
      "name = ['NA', 'integer']\nweight_width = [2]\n"
      "[search.search_space.seed.classifier.config]\nname = ['integer']\nweight_width = [8, 16]\n"
      "[search.search_space.seed.default.config]\nname = ['integer']\nweight_width = [8]\n",
      "loss.scale = 1.0\nloss.direction = 'minimize'\n");
  std::vector<std::map<std::string, double>> results;
  std::vector<std::string> orders;
  for (const char* seed : {"1", "4"}) {
    const std::string study = fmt::format("sqlite:{}.db#s", seed);
    const Outcome outcome = search({"--set", "sampler=grid", "--set", fmt::format("seed={}", seed),
                                    "--set", fmt::format("out={}", seed), "--study", study});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    std::map<std::string, double> losses;
    std::string order;
    for (const Json& trial : trials(study)) {
      EXPECT_EQ(trial.at("params").size(), 2u);
      losses[trial.at("params").dump()] = trial.at("values")[0].get<double>();
      order += trial.at("params").dump();
    }
    EXPECT_EQ(losses.size(), 4u);
    results.push_back(losses);
    orders.push_back(order);
  }
  EXPECT_NE(orders[0], orders[1]);
  EXPECT_EQ(results[0], results[1]);
  std::set<double> different;
  for (const auto& [params, loss] : results[0]) different.insert(loss);
  EXPECT_EQ(different.size(), 4u);
}

TEST_F(ReferenceSearchRuns, ShownInHonesWordsItIsTheSame) {
  write(
      "[search.search_space.setup]\nby = 'type'\n"
      "[search.search_space.seed.linear.config]\nname = ['integer']\nweight_width = [4, 8]\n",
      "loss.scale = 1.0\nloss.direction = 'minimize'\n");
  const Outcome shown = run_hone(scratch_, {"search", "m.toml", "--show"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  scratch_.write("own.toml", shown.out);
  ASSERT_EQ(search().code, 0);
  std::vector<std::string> words{"search",           "own.toml", "--set",
                                 "data.samples=300", "--set",    "data.test_samples=60"};
  ASSERT_EQ(run_hone(scratch_, words).code, 0);
  const Json theirs = trials(), ours = trials("sqlite:runs/own/study.db");
  ASSERT_EQ(theirs.size(), ours.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    EXPECT_EQ(theirs[i].at("params"), ours[i].at("params"));
    EXPECT_EQ(theirs[i].at("values"), ours[i].at("values"));
  }
  // Keys of a training change nothing; a model that was never trained is none to judge.
  EXPECT_THAT(search({"--set", "lr=1e-3"}).err, HasSubstr("training = false"));
  EXPECT_THAT(search({"--set", "model=bert-tiny"}).err, HasSubstr("no folder of a trained model"));
}

}  // namespace
}  // namespace hone_test
