// All ways to run one training step give the same numbers: the modes, each pass switched off, any
// number of threads; and repeated with the same thread count, the same bits.
#include <cmath>
#include <cstring>
#include <numeric>

#include <gtest/gtest.h>

#include "hone/passes/prune.hpp"
#include "hone/run/forward.hpp"
#include "hone/train/evaluate.hpp"
#include "hone/train/schedules/schedule.hpp"
#include "hone/train/stepper.hpp"
#include "support/small_bert.hpp"

namespace hone_test {
namespace {

using namespace hone;

struct Outcome {
  std::vector<double> losses, norms;
  TensorStore parameters;
  Tensor logits;
};

TrainOptions base_options() {
  TrainOptions options;
  options.lr = 1e-3;
  options.hidden_dropout = options.attention_dropout = options.classifier_dropout = 0.2;
  options.optimizer_options.set("weight_decay", 0.1);
  options.seed = 11;
  // Adam divides a gradient by its own size: where it is zero but for rounding (the bias of the
  // keys), a larger epsilon keeps rounding from deciding the direction.
  options.optimizer_options.set("epsilon", 1e-3);
  return options;
}

constexpr int steps = 3;

Outcome train_steps(const TrainOptions& options, int threads, Model model = small_bert()) {
  const ThreadScope scope(threads);
  const TokenizedData data = random_sequences(24);
  Stepper stepper(model, text_samples(data), options,
                  make_schedule("linear", options.lr, 0, steps + 2));
  Outcome outcome;
  for (int step = 1; step <= steps; ++step) {
    std::vector<std::int64_t> indices(8);
    std::iota(indices.begin(), indices.end(), 8 * (step - 1));
    const StepResult result = stepper.step(indices, step);
    outcome.losses.push_back(result.loss);
    outcome.norms.push_back(result.grad_norm);
  }
  outcome.parameters = stepper.parameters(steps).clone();
  Model trained = model;
  trained.tensors = outcome.parameters;
  Executor forward = make_forward(trained, options.mode, options.disabled_passes);
  outcome.logits = evaluate(forward, text_samples(data)).logits;
  return outcome;
}

double largest_difference(const Tensor& a, const Tensor& b) {
  double worst = 0;
  for (std::int64_t i = 0; i < a.size(); ++i)
    worst = std::max(worst, std::abs(static_cast<double>(a.as<float>()[i]) - b.as<float>()[i]));
  return worst;
}

void expect_equal(const Outcome& got, const Outcome& expected) {
  for (int i = 0; i < steps; ++i) {
    EXPECT_NEAR(got.losses[static_cast<std::size_t>(i)],
                expected.losses[static_cast<std::size_t>(i)], 2e-6)
        << "step " << i + 1;
    EXPECT_NEAR(got.norms[static_cast<std::size_t>(i)], expected.norms[static_cast<std::size_t>(i)],
                1e-5 * expected.norms[static_cast<std::size_t>(i)])
        << "step " << i + 1;
  }
  for (const std::string& name : expected.parameters.names())
    EXPECT_LE(largest_difference(got.parameters.at(name), expected.parameters.at(name)), 3e-6)
        << name;
  EXPECT_LE(largest_difference(got.logits, expected.logits), 1e-5);
}

const Outcome& reference_outcome() {
  static const Outcome outcome = [] {
    TrainOptions options = base_options();
    options.mode = Mode::reference;
    return train_steps(options, 1);
  }();
  return outcome;
}

TEST(Modes, TrainingChangesEveryParameter) {
  const Model fresh = small_bert();
  for (const std::string& name : fresh.tensors.names())
    // A bias of the keys adds the same to all scores of a query: its gradient is zero.
    if (name.find("key.bias") == std::string::npos)
      EXPECT_GT(largest_difference(fresh.tensors.at(name), reference_outcome().parameters.at(name)),
                1e-8)
          << name;
}

TEST(Modes, EagerAndCompiledEqualTheReference) {
  for (const Mode mode : {Mode::eager, Mode::compiled})
    for (int threads : {1, 2, 3}) {
      SCOPED_TRACE(testing::Message() << (mode == Mode::eager ? "eager" : "compiled") << ", "
                                      << threads << " threads");
      TrainOptions options = base_options();
      options.mode = mode;
      expect_equal(train_steps(options, threads), reference_outcome());
    }
}

TEST(Modes, EachPassCanBeSwitchedOff) {
  for (const char* pass : {"push_gather", "push_scatter", "sparse_embedding", "group_rows"}) {
    SCOPED_TRACE(pass);
    TrainOptions options = base_options();
    options.disabled_passes = {pass};
    expect_equal(train_steps(options, 2), reference_outcome());
  }
  TrainOptions options = base_options();
  options.disabled_passes = {"push_gather", "push_scatter"};
  expect_equal(train_steps(options, 2), reference_outcome());
  options.disabled_passes = {"push_gather", "push_scatter", "sparse_embedding", "group_rows"};
  expect_equal(train_steps(options, 2), reference_outcome());
}

// A quantile over all numbers that a layer reads stops push_gather; push_scatter narrows the
// backward pass all the same.
TEST(Modes, QuantilesOverWholeTensorsLeaveTheStepAsItIs) {
  // (A new model each time: training changes its tensors.)
  const auto pruned = [] {
    Model model = small_bert();
    std::vector<std::string> nodes;
    for (const Node& node : model.graph.nodes)
      if (node.op == "linear") nodes.push_back(model.graph.value(node.outputs[0]).name);
    prune_data(model, nodes, {.sparsity = 0.5, .whole_tensor = true});
    return model;
  };
  TrainOptions options = base_options();
  options.mode = Mode::reference;
  const Outcome expected = train_steps(options, 1, pruned());
  options.mode = Mode::compiled;
  expect_equal(train_steps(options, 2, pruned()), expected);
  options.disabled_passes = {"push_scatter"};
  expect_equal(train_steps(options, 2, pruned()), expected);
}

TEST(Modes, OtherMasksGiveOtherNumbers) {
  TrainOptions options = base_options();
  options.seed = 12;
  EXPECT_GT(std::abs(train_steps(options, 2).losses[0] - reference_outcome().losses[0]), 1e-4);
}

TEST(Modes, RepeatedRunsGiveTheSameBits) {
  for (const Mode mode : {Mode::eager, Mode::compiled})
    for (int threads : {1, 2, 3}) {
      TrainOptions options = base_options();
      options.mode = mode;
      const Outcome first = train_steps(options, threads);
      const Outcome second = train_steps(options, threads);
      EXPECT_EQ(first.losses, second.losses);
      EXPECT_EQ(first.norms, second.norms);
      for (const std::string& name : first.parameters.names()) {
        const Tensor& a = first.parameters.at(name);
        EXPECT_EQ(std::memcmp(a.data(), second.parameters.at(name).data(), a.bytes()), 0) << name;
      }
      EXPECT_EQ(std::memcmp(first.logits.data(), second.logits.data(), first.logits.bytes()), 0);
    }
}

TEST(Modes, AccumulatedMicroBatchesEqualTheBigBatch) {
  for (const Mode mode : {Mode::reference, Mode::eager, Mode::compiled}) {
    TrainOptions options = base_options();
    options.mode = mode;
    options.hidden_dropout = options.attention_dropout = options.classifier_dropout = 0;
    const Outcome big = train_steps(options, 2);
    for (std::int64_t parts : {2, 3, 8}) {
      SCOPED_TRACE(testing::Message() << parts << " micro-batches");
      options.accumulate = parts;
      expect_equal(train_steps(options, 2), big);
    }
  }
}

TEST(Modes, SgdEqualsTheReferenceToo) {
  TrainOptions options = base_options();
  options.optimizer = "sgd";
  options.optimizer_options.erase("epsilon");
  options.optimizer_options.set("momentum", 0.9);
  options.lr = 0.05;
  options.mode = Mode::reference;
  const Outcome reference = train_steps(options, 1);
  options.mode = Mode::compiled;
  expect_equal(train_steps(options, 2), reference);
}

// Samples one after the other, alone or together: no sequence sees another.
TEST(Modes, BatchingDoesNotChangeTheLogits) {
  const Model model = small_bert();
  const TokenizedData data = random_sequences(24);
  for (const Mode mode : {Mode::eager, Mode::compiled}) {
    Executor forward = make_forward(model, mode);
    EvaluateOptions alone;
    alone.max_length = 1;
    const Tensor one_by_one = evaluate(forward, text_samples(data), alone).logits;
    EXPECT_LE(largest_difference(evaluate(forward, text_samples(data)).logits, one_by_one), 2e-6);
  }
}

}  // namespace
}  // namespace hone_test
