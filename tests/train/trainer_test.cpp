#include "hone/train/trainer.hpp"

#include <cmath>
#include <csignal>
#include <cstring>
#include <limits>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "hone/frontends/load_model.hpp"
#include "hone/train/checkpoint.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"
#include "support/small_bert.hpp"

namespace hone_test {
namespace {

using namespace hone;

TrainOptions small_options() {
  TrainOptions options;
  options.lr = 1e-3;
  options.batch = 4;
  options.epochs = 2;
  options.seed = 21;
  return options;
}

struct Outcome {
  TrainResult result;
  TensorStore parameters;
  std::vector<double> losses;
  std::vector<std::int64_t> epochs;  // of the steps
};

// Trains a fresh model into `out`; stops after `stop_after` steps of this process (0: never).
Outcome train_small(const std::filesystem::path& out, const TrainOptions& options, bool resume,
                    std::int64_t stop_after = 0, const Samples* validation = nullptr) {
  Model model = small_bert();
  const TokenizedData data = random_sequences(30);
  Outcome run;
  std::int64_t done = 0;
  TrainEvents events;
  events.on_step = [&](const StepReport& report) {
    run.losses.push_back(report.loss);
    run.epochs.push_back(report.epoch);
    ++done;
  };
  if (stop_after > 0) events.stop = [&] { return done >= stop_after; };
  run.result =
      train(model, text_samples(data), validation, options, out, resume, nullptr, events, {});
  run.parameters = model.tensors;
  return run;
}

void expect_same_bits(const TensorStore& a, const TensorStore& b) {
  ASSERT_EQ(a.names(), b.names());
  for (const std::string& name : a.names()) {
    ASSERT_EQ(a.at(name).shape(), b.at(name).shape());
    EXPECT_EQ(std::memcmp(a.at(name).data(), b.at(name).data(), a.at(name).bytes()), 0) << name;
  }
}

TEST(Trainer, ResumedEqualsUninterruptedBitForBit) {
  const ThreadScope threads(2);
  for (const auto& [mode, accumulate] : std::vector<std::pair<Mode, std::int64_t>>{
           {Mode::compiled, 1}, {Mode::compiled, 2}, {Mode::eager, 1}}) {
    SCOPED_TRACE(testing::Message()
                 << (mode == Mode::eager ? "eager" : "compiled") << ", accumulate " << accumulate);
    const ScratchDirectory scratch;
    TrainOptions options = small_options();
    options.mode = mode;
    options.accumulate = accumulate;
    const TokenizedData held_out = random_sequences(10, 77);
    const Samples validation = text_samples(held_out);
    const Outcome whole = train_small(scratch.path() / "whole", options, false, 0, &validation);
    EXPECT_TRUE(whole.result.finished);
    ASSERT_EQ(whole.losses.size(), 16u);
    // Stopped twice: within the first epoch and at its end.
    Outcome first = train_small(scratch.path() / "parts", options, false, 3, &validation);
    EXPECT_FALSE(first.result.finished);
    const Outcome second = train_small(scratch.path() / "parts", options, true, 5, &validation);
    const Outcome third = train_small(scratch.path() / "parts", options, true, 0, &validation);
    EXPECT_TRUE(third.result.finished);
    std::vector<double> losses = first.losses;
    losses.insert(losses.end(), second.losses.begin(), second.losses.end());
    losses.insert(losses.end(), third.losses.begin(), third.losses.end());
    EXPECT_EQ(losses, whole.losses);
    expect_same_bits(third.parameters, whole.parameters);
    // With nothing left to train, what the run reached is still told.
    const Outcome fourth = train_small(scratch.path() / "parts", options, true, 0, &validation);
    EXPECT_TRUE(fourth.losses.empty());
    for (const Outcome* resumed : {&third, &fourth})
      for (const auto& [told, expected] :
           {std::pair{resumed->result.validation, whole.result.validation},
            std::pair{resumed->result.best, whole.result.best}}) {
        ASSERT_TRUE(told && expected);
        EXPECT_EQ(told->accuracy, expected->accuracy);
        EXPECT_EQ(told->interval.low, expected->interval.low);
        EXPECT_EQ(told->interval.high, expected->interval.high);
        EXPECT_EQ(told->loss, expected->loss);
      }
  }
}

// A checkpoint between does not change what follows.
TEST(Trainer, CheckpointsLeaveNoTrace) {
  const ScratchDirectory scratch;
  TrainOptions options = small_options();
  const Outcome rare = train_small(scratch.path() / "rare", options, false);
  options.checkpoint_every = 1;
  const Outcome often = train_small(scratch.path() / "often", options, false);
  EXPECT_EQ(often.losses, rare.losses);
  expect_same_bits(often.parameters, rare.parameters);
}

TEST(Trainer, TheSavedModelIsTheTrainedOne) {
  const ScratchDirectory scratch;
  const Outcome run = train_small(scratch.path() / "out", small_options(), false);
  ModelRequest request;
  request.name = (scratch.path() / "out").string();
  expect_same_bits(load_model(request).tensors, run.parameters);
  EXPECT_EQ(load_position(scratch.path() / "out" / "last").step, 16);
}

TEST(Trainer, AFinishedRunResumesToTheSameModel) {
  const ScratchDirectory scratch;
  const Outcome run = train_small(scratch.path() / "out", small_options(), false);
  const Outcome again = train_small(scratch.path() / "out", small_options(), true);
  EXPECT_TRUE(again.losses.empty());
  expect_same_bits(again.parameters, run.parameters);
}

TEST(Trainer, ResumeWithOtherOptionsIsRefused) {
  const ScratchDirectory scratch;
  const std::filesystem::path out = scratch.path() / "out";
  train_small(out, small_options(), false, 3);
  const auto refuse = [&](const char* key, auto change) {
    TrainOptions options = small_options();
    change(options);
    EXPECT_ERROR(train_small(out, options, true), ErrorCode::invalid_argument,
                 std::string("has ") + key + " =", "without --resume");
  };
  refuse("lr", [](TrainOptions& o) { o.lr = 2e-3; });
  refuse("batch", [](TrainOptions& o) { o.batch = 5; });
  refuse("seed", [](TrainOptions& o) { o.seed = 22; });
  refuse("epochs", [](TrainOptions& o) { o.epochs = 3; });
  refuse("mode", [](TrainOptions& o) { o.mode = Mode::eager; });
  refuse("hidden_dropout", [](TrainOptions& o) { o.hidden_dropout = 0.3; });
  refuse("disabled_passes", [](TrainOptions& o) { o.disabled_passes = {"group_rows"}; });
  EXPECT_ERROR(train_small(scratch.path() / "nothing", small_options(), true), ErrorCode::not_found,
               "hone_state.json");
}

// Another order of as many samples is another run.
TEST(Trainer, ResumeWithAnotherOrderIsRefused) {
  const ScratchDirectory scratch;
  TrainOptions options = small_options();
  options.order = {5, 4, 3, 2, 1, 0, 6, 7, 8, 9};
  train_small(scratch.path() / "out", options, false, 1);
  EXPECT_NO_THROW(train_small(scratch.path() / "out", options, true, 1));
  options.order = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  EXPECT_ERROR(train_small(scratch.path() / "out", options, true), ErrorCode::invalid_argument,
               "has order =");
}

// Other texts of as many samples and tokens are other data.
TEST(Trainer, ResumeWithOtherDataIsRefused) {
  const ScratchDirectory scratch;
  train_small(scratch.path() / "out", small_options(), false, 1);
  Model model = small_bert();
  TokenizedData data = random_sequences(30);
  std::swap(data.ids[10], data.ids[11]);
  data.ids[0] ^= 1;
  EXPECT_ERROR(train(model, text_samples(data), nullptr, small_options(), scratch.path() / "out",
                     true, nullptr, {}, {}),
               ErrorCode::invalid_argument, "data");
}

// 30 samples in batches of 4 are 8 steps an epoch.
TEST(Trainer, EpochsCountFromOne) {
  const ScratchDirectory scratch;
  std::vector<std::int64_t> expected(8, 1);
  expected.insert(expected.end(), 8, 2);
  EXPECT_EQ(train_small(scratch.path() / "m", small_options(), false).epochs, expected);
}

TEST(Trainer, AnOrderIsFollowed) {
  const ScratchDirectory scratch;
  TrainOptions options = small_options();
  options.hidden_dropout = options.attention_dropout = options.classifier_dropout = 0;
  options.epochs = 1;
  options.order = {7, 3, 3, 9};
  const Outcome run = train_small(scratch.path() / "a", options, false);
  ASSERT_EQ(run.losses.size(), 1u);
  options.order = {9, 7, 3, 3};  // the same batch
  EXPECT_NEAR(train_small(scratch.path() / "b", options, false).losses[0], run.losses[0], 1e-6);
  options.order = {30};
  EXPECT_ERROR(train_small(scratch.path() / "c", options, false), ErrorCode::invalid_argument,
               "names sample 30, the data has samples 0 to 29");
}

// Writing fails where a disk would be full; the checkpoint before stays whole.
TEST(Trainer, AFailedSaveLeavesTheOldCheckpoint) {
  const ScratchDirectory scratch;
  const std::filesystem::path out = scratch.path() / "out";
  TrainOptions options = small_options();
  options.checkpoint_every = 1;
  train_small(out, options, false, 2);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  for (rlim_t limit : {std::size_t{0}, std::size_t{1000}, std::size_t{200000}}) {
    const rlimit small{limit, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    EXPECT_ERROR(train_small(out, options, true, 1), ErrorCode::io, (out / "last").string());
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_EQ(load_position(out / "last").step, 2);
    EXPECT_NO_THROW(load_state(out / "last"));
    for (const auto& entry : std::filesystem::directory_iterator(out))
      EXPECT_EQ(entry.path().filename(), "last") << "left over";
  }
  std::signal(SIGXFSZ, handler);
  // And the run goes on from there as if nothing had happened.
  const Outcome rest = train_small(out, options, true);
  expect_same_bits(rest.parameters,
                   train_small(scratch.path() / "whole", options, false).parameters);
}

TEST(Trainer, NanStopsWithStepAndSamples) {
  const ScratchDirectory scratch;
  const std::filesystem::path out = scratch.path() / "out";
  Model model = small_bert();
  const TokenizedData data = random_sequences(30);
  TrainOptions options = small_options();
  options.order = {4, 11, 2, 8, 0, 1, 3, 5};
  options.checkpoint_every = 1;
  // Row 7 of the table is NaN: the second step reads it.
  TokenizedData poisoned = data;
  for (std::int32_t& id : poisoned.ids) id = id == 7 ? 6 : id;
  poisoned.ids[static_cast<std::size_t>(poisoned.offsets[1])] = 7;
  model.tensors.at("bert.embeddings.word_embeddings.weight").as<float>()[7 * 36 + 3] =
      std::numeric_limits<float>::quiet_NaN();
  EXPECT_ERROR(train(model, text_samples(poisoned), nullptr, options, out, false, nullptr, {}, {}),
               ErrorCode::numeric, "step 2: the loss is nan");
  EXPECT_EQ(load_position(out / "last").step, 1);
  try {
    Model again = small_bert();
    again.tensors.at("classifier.bias").as<float>()[0] = std::numeric_limits<float>::infinity();
    train(again, text_samples(data), nullptr, options, scratch.path() / "other", false, nullptr, {},
          {});
    FAIL() << "no error";
  } catch (const Error& error) {
    // The longest of the first batch, which is looked at before it is learned from.
    EXPECT_THAT(error.message(), testing::ContainsRegex("before step 1: sample (4|11|2|8):"));
    EXPECT_THAT(error.message(), testing::HasSubstr("whose parameter 'classifier.bias' holds"));
    EXPECT_EQ(error.code(), ErrorCode::numeric);
  }
}

// A model that overflows by itself: no learning rate would help.
TEST(Trainer, AStartThatOverflowsNamesTheNode) {
  const ScratchDirectory scratch;
  Model model = small_bert();
  for (float& weight :
       model.tensors.at("bert.encoder.layer.0.intermediate.dense.weight").span<float>())
    weight *= 3e38f;
  try {
    train(model, text_samples(random_sequences(30)), nullptr, small_options(),
          scratch.path() / "out", false, nullptr, {}, {});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::numeric);
    EXPECT_THAT(error.message(), testing::HasSubstr("before step 1: sample"));
    EXPECT_THAT(error.message(), testing::HasSubstr("it begins in node 'layer0"));
    EXPECT_THAT(error.hint(), testing::Not(testing::HasSubstr("--lr")));
  }
}

// A NaN anywhere in the parameters shows in the loss or in the gradient norm, in every mode.
TEST(Trainer, NanInAnyParameterIsSeen) {
  const TokenizedData data = random_sequences(30);
  const Model fresh = small_bert();
  for (const std::string& name : fresh.tensors.names()) {
    SCOPED_TRACE(name);
    const ScratchDirectory scratch;
    Model model = small_bert();
    // In the middle: a row of the table or a position that some sample reads.
    Tensor& tensor = model.tensors.at(name);
    const bool table = name.find("embeddings.") != std::string::npos && tensor.shape().size() == 2;
    tensor.as<float>()[table ? 1 : tensor.size() / 2] = std::numeric_limits<float>::quiet_NaN();
    TrainOptions options = small_options();
    options.steps = 8;
    TokenizedData all = data;
    all.ids[0] = 0;
    EXPECT_ERROR(train(model, text_samples(all), nullptr, options, scratch.path() / "out", false,
                       nullptr, {}, {}),
                 ErrorCode::numeric, "step");
  }
}

TEST(Trainer, RefusesWhatItCannotTrainOn) {
  const ScratchDirectory scratch;
  const auto refuse = [&](TrainOptions options, TokenizedData data, const char* message) {
    Model model = small_bert();
    EXPECT_ERROR(train(model, text_samples(data), nullptr, options, scratch.path() / "out", false,
                       nullptr, {}, {}),
                 ErrorCode::invalid_argument, message);
  };
  TrainOptions options = small_options();
  TokenizedData data = random_sequences(6);
  refuse(options, {}, "no samples");
  data.labels[2] = -1;
  refuse(options, data, "sample 2: label -1 is outside the model's 3 classes");
  data = random_sequences(6);
  data.ids[4] = 1100;
  refuse(options, data, "1100");
  data.ids[4] = -5;
  refuse(options, data, "-5");
  data = random_sequences(6);
  options.batch = 0;
  refuse(options, data, "at least one sample");
  options = small_options();
  options.epochs = 0;
  refuse(options, data, "no steps");
  options = small_options();
  options.accumulate = 0;
  refuse(options, data, "accumulate");
  options = small_options();
  options.optimizer = "adam";
  refuse(options, data, "optimizer");
  options = small_options();
  options.hidden_dropout = 1;
  refuse(options, data, "'hidden'");
  options = small_options();
  options.disabled_passes = {"group_row"};
  refuse(options, data, "group_row");
  options = small_options();
  options.disabled_passes = {"differentiate"};
  refuse(options, data, "differentiate");
}

}  // namespace
}  // namespace hone_test
