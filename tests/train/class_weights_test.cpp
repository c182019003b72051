#include <cmath>

#include <gtest/gtest.h>

#include "hone/graph/op.hpp"
#include "hone/tasks/classes.hpp"
#include "hone/train/trainer.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"
#include "support/small_bert.hpp"

namespace hone_test {
namespace {

using namespace hone;

TEST(ClassWeights, Balanced) {
  TokenizedData data = random_sequences(8);
  data.labels = {0, 0, 0, 0, 0, 2, 2, 0};
  // n / (k n_c): 8 / (2 * 6), 8 / (2 * 2); a class that does not occur has 1.
  const std::vector<float> weights = balanced_class_weights(data, 3);
  EXPECT_EQ(weights, (std::vector<float>{8.0f / 12, 1, 2}));
  data.labels = {0, 0, 0, 0, 1, 1, 1, 1};
  EXPECT_EQ(balanced_class_weights(data, 2), (std::vector<float>{1, 1}));
}

// By hand: softmax of (0, 0) and (ln 3, 0); and the gradient of the second row.
TEST(ClassWeights, LossAndGradientByHand) {
  const Tensor logits =
      Tensor::from<float>(DType::f32, {2, 2}, std::vector<float>{0, 0, std::log(3.0f), 0});
  const Tensor labels =
      Tensor::from<std::int32_t>(DType::i32, {2}, std::vector<std::int32_t>{0, 1});
  const Tensor weights = Tensor::from<float>(DType::f32, {2}, std::vector<float>{1, 3});
  const Tensor one = Tensor::from<float>(DType::f32, {1}, std::vector<float>{1});
  const double loss =
      evaluate_reference(find_op("cross_entropy"), {&logits, &labels, &weights}, {})[0]
          .as<float>()[0];
  EXPECT_NEAR(loss, (std::log(2.0) + 3 * std::log(4.0)) / 4, 1e-6);
  const Tensor gradient =
      evaluate_reference(find_op("cross_entropy_grad"), {&logits, &labels, &one, &weights}, {})[0];
  const float expected[] = {-0.5f / 4, 0.5f / 4, 3 * 0.75f / 4, -3 * 0.75f / 4};
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(gradient.as<float>()[i], expected[i], 1e-6);
}

std::vector<double> losses_of(TrainOptions options) {
  const ScratchDirectory scratch;
  const TokenizedData data = random_sequences(30);
  Model model = small_bert();
  options.steps = 12;
  options.batch = 7;
  options.lr = 1e-3;
  options.hidden_dropout = options.attention_dropout = options.classifier_dropout = 0;
  std::vector<double> losses;
  TrainEvents events;
  events.on_step = [&](const StepReport& report) { losses.push_back(report.loss); };
  train(model, text_samples(data), nullptr, options, scratch.path() / "out", false, nullptr, events,
        {});
  return losses;
}

// Equal weights are none; parts of a step count by the weights of their samples.
TEST(ClassWeights, TrainingAgrees) {
  TrainOptions options;
  const std::vector<double> plain = losses_of(options);
  options.class_weights = {2, 2, 2};
  const std::vector<double> equal = losses_of(options);
  options.class_weights = {0.25, 1, 4};
  const std::vector<double> weighted = losses_of(options);
  options.accumulate = 3;
  const std::vector<double> parts = losses_of(options);
  double apart = 0;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_NEAR(equal[i], plain[i], 1e-4);
    EXPECT_NEAR(parts[i], weighted[i], 1e-4);
    apart = std::max(apart, std::abs(weighted[i] - plain[i]));
  }
  EXPECT_GT(apart, 1e-2);
  options.class_weights = {1, 2};
  EXPECT_ERROR(losses_of(options), ErrorCode::invalid_argument, "2 class weights for 3 classes");
}

}  // namespace
}  // namespace hone_test
