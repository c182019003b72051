// Which model a run leaves, when it ends, and how it goes on.
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hone/core/file.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/train/checkpoint.hpp"
#include "hone/train/choices.hpp"
#include "hone/train/schedules/schedule.hpp"
#include "hone/train/trainer.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"
#include "support/small_bert.hpp"

namespace hone_test {
namespace {

using namespace hone;
namespace fs = std::filesystem;

struct Trained {
  TrainResult result;
  std::vector<double> losses, rates;
  std::vector<double> accuracies;      // of each evaluation
  std::vector<TensorStore> snapshots;  // best/ after each evaluation that was the best
};

TrainOptions options_of(double epochs) {
  TrainOptions options;
  options.lr = 2e-3;
  options.batch = 4;
  options.epochs = epochs;
  options.seed = 21;
  return options;
}

// 30 samples, 8 steps an epoch; 13 samples for validation.
Trained train_into(const fs::path& out, const TrainOptions& options, bool resume = false,
                   std::int64_t stop_after = 0, bool validate = true) {
  Model model = small_bert();
  const TokenizedData data = random_sequences(30);
  const TokenizedData held_out = random_sequences(13, 77);
  const Samples validation = text_samples(held_out);
  Trained run;
  TrainEvents events;
  events.on_step = [&](const StepReport& report) {
    run.losses.push_back(report.loss);
    run.rates.push_back(report.lr);
  };
  events.on_evaluation = [&](const Evaluation& e, std::int64_t, std::int64_t, bool) {
    run.accuracies.push_back(e.accuracy);
  };
  if (stop_after > 0)
    events.stop = [&] { return static_cast<std::int64_t>(run.losses.size()) >= stop_after; };
  run.result = train(model, text_samples(data), validate ? &validation : nullptr, options, out,
                     resume, nullptr, events, {});
  return run;
}

std::string weights_of(const fs::path& folder) {
  return sha256(read_file(folder / "model.safetensors"));
}

TEST(Selection, KeepDecidesWhatOutHolds) {
  const ScratchDirectory scratch;
  TrainOptions options = options_of(6);
  const Trained best = train_into(scratch.path() / "best", options);
  ASSERT_EQ(best.accuracies.size(), 6u);
  const auto top = std::max_element(best.accuracies.begin(), best.accuracies.end());
  ASSERT_NE(*top, best.accuracies.back())
      << "the test wants a run whose last epoch is not its best";
  EXPECT_TRUE(best.result.kept_best);
  EXPECT_EQ(best.result.kept_epoch, top - best.accuracies.begin() + 1);
  EXPECT_EQ(best.result.kept_step, 8 * best.result.kept_epoch);
  EXPECT_EQ(best.result.kept()->accuracy, *top);
  EXPECT_EQ(weights_of(scratch.path() / "best"), weights_of(scratch.path() / "best/best"));
  EXPECT_NE(weights_of(scratch.path() / "best"), weights_of(scratch.path() / "best/last"));
  options.keep = Keep::last;
  const Trained last = train_into(scratch.path() / "last", options);
  EXPECT_FALSE(last.result.kept_best);
  EXPECT_EQ(last.result.kept_step, 48);
  EXPECT_EQ(weights_of(scratch.path() / "last"), weights_of(scratch.path() / "last/last"));
  EXPECT_EQ(weights_of(scratch.path() / "last/best"), weights_of(scratch.path() / "best/best"));
  // Without validation there is only the last.
  const Trained none = train_into(scratch.path() / "none", options_of(1), false, 0, false);
  EXPECT_FALSE(none.result.kept_best);
  EXPECT_FALSE(fs::exists(scratch.path() / "none/best"));
}

TEST(Selection, TheMetricSaysWhatBestMeans) {
  const ScratchDirectory scratch;
  for (const std::string& metric : metric_names(true)) {
    TrainOptions options = options_of(6);
    options.metric = metric;
    Model model = small_bert();
    const TokenizedData data = random_sequences(30), held_out = random_sequences(13, 77);
    const Samples validation = text_samples(held_out);
    std::vector<double> values;
    TrainEvents events;
    events.on_evaluation = [&](const Evaluation& e, std::int64_t, std::int64_t, bool best) {
      const double sign = metric == "loss" ? -1 : 1;
      const double value = sign * metric_value(e, metric);
      EXPECT_EQ(best, values.empty() || value > *std::max_element(values.begin(), values.end()));
      values.push_back(value);
    };
    const TrainResult result = train(model, text_samples(data), &validation, options,
                                     scratch.path() / metric, false, nullptr, events, {});
    EXPECT_EQ(result.kept_epoch,
              std::max_element(values.begin(), values.end()) - values.begin() + 1);
  }
}

TEST(Selection, PatienceEndsARun) {
  const ScratchDirectory scratch;
  TrainOptions options = options_of(40);
  options.patience = 2;
  const Trained whole = train_into(scratch.path() / "whole", options);
  EXPECT_TRUE(whole.result.finished);
  EXPECT_TRUE(whole.result.out_of_patience);
  EXPECT_LT(whole.result.steps, 320);
  // Two evaluations in a row after the best were not better, and not before.
  const auto best = std::max_element(whole.accuracies.begin(), whole.accuracies.end());
  EXPECT_EQ(whole.accuracies.end() - best, 3);
  // Interrupted between those two, it ends at the same place with the same bits.
  Trained part = train_into(scratch.path() / "parts", options, false, whole.result.steps - 5);
  EXPECT_FALSE(part.result.finished);
  part = train_into(scratch.path() / "parts", options, true);
  EXPECT_TRUE(part.result.out_of_patience);
  EXPECT_EQ(part.losses.size(), 5u);
  for (const char* file : {"model.safetensors", "last/hone_state.json",
                           "last/hone_state.safetensors", "best/model.safetensors"})
    EXPECT_EQ(sha256(read_file(scratch.path() / "parts" / file)),
              sha256(read_file(scratch.path() / "whole" / file)))
        << file;
  // It has ended: nothing is left to train, and more epochs would change nothing.
  EXPECT_TRUE(train_into(scratch.path() / "parts", options, true).losses.empty());
  options.epochs = 41;
  EXPECT_ERROR(train_into(scratch.path() / "parts", options, true), ErrorCode::invalid_argument,
               "epochs");
}

TEST(Selection, WhatChangesNothingIsRefused) {
  const ScratchDirectory scratch;
  const auto refuse = [&](auto change, const char* message) {
    TrainOptions options = options_of(1);
    change(options);
    EXPECT_ERROR(train_into(scratch.path() / "out", options, false, 0, false),
                 ErrorCode::invalid_argument, message);
  };
  refuse([](TrainOptions& o) { o.patience = 3; }, "patience changes nothing");
  refuse([](TrainOptions& o) { o.keep = Keep::best; }, "keep = best changes nothing");
  refuse([](TrainOptions& o) { o.metric = "mcc"; }, "metric changes nothing");
  refuse([](TrainOptions& o) { o.metric = "acuracy"; }, "unknown metric 'acuracy'");
}

// Steps done keep the rates they had; those to come have those of the longer run.
TEST(Selection, AFinishedRunGoesOn) {
  const ScratchDirectory scratch;
  const Trained first = train_into(scratch.path() / "out", options_of(2));
  const Trained more = train_into(scratch.path() / "out", options_of(4), true);
  EXPECT_TRUE(more.result.finished);
  EXPECT_EQ(more.result.steps, 32);
  ASSERT_EQ(more.rates.size(), 16u);
  const std::vector<float> longer = make_schedule("linear", 2e-3, 0, 32);
  for (std::size_t i = 0; i < 16; ++i)
    EXPECT_EQ(more.rates[i], static_cast<double>(longer[16 + i])) << i;
  // Interrupted while it goes on, it ends with the same bits.
  train_into(scratch.path() / "parts", options_of(2));
  train_into(scratch.path() / "parts", options_of(4), true, 5);
  const Trained rest = train_into(scratch.path() / "parts", options_of(4), true);
  EXPECT_EQ(rest.losses.size(), 11u);
  for (const char* file :
       {"model.safetensors", "last/hone_state.json", "last/hone_state.safetensors"})
    EXPECT_EQ(sha256(read_file(scratch.path() / "parts" / file)),
              sha256(read_file(scratch.path() / "out" / file)))
        << file;
  // Twice longer; and steps in place of epochs.
  TrainOptions steps = options_of(4);
  steps.epochs = 1;
  steps.steps = 35;
  EXPECT_EQ(train_into(scratch.path() / "out", steps, true).losses.size(), 3u);
  EXPECT_EQ(load_position(scratch.path() / "out/last").lengths,
            (std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 16}, {16, 32}, {32, 35}}));
  // Fewer, or anything else than its length, is another run.
  EXPECT_ERROR(train_into(scratch.path() / "out", options_of(3), true), ErrorCode::invalid_argument,
               "has epochs =");
  TrainOptions other = options_of(8);
  other.lr = 1e-3;
  EXPECT_ERROR(train_into(scratch.path() / "out", other, true), ErrorCode::invalid_argument,
               "has lr =");
  other = options_of(8);
  other.patience = 3;
  EXPECT_ERROR(train_into(scratch.path() / "out", other, true), ErrorCode::invalid_argument,
               "has patience = 3, the checkpoint has none");
  EXPECT_ERROR(train_into(scratch.path() / "out", options_of(8), true, 0, false),
               ErrorCode::invalid_argument, "has keep =");
}

TEST(Selection, DefaultsDependOnTheWeights) {
  ModelRequest request{.name = "bert-tiny"};
  const Model fresh = load_model(request);
  EXPECT_TRUE(starts_at_random(fresh));
  EXPECT_DOUBLE_EQ(default_learning_rate(fresh), 2.5e-4);
  EXPECT_EQ(default_epochs(fresh), 8);
  const ScratchDirectory scratch;
  train_into(scratch.path() / "out", options_of(1), false, 0, false);
  const Model trained = load_model({.name = (scratch.path() / "out").string()});
  EXPECT_FALSE(starts_at_random(trained));
  EXPECT_DOUBLE_EQ(default_learning_rate(trained), 5e-5);
  EXPECT_EQ(default_epochs(trained), 3);
}

}  // namespace
}  // namespace hone_test
