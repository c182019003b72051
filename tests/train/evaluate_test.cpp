#include "hone/train/evaluate.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "support/expect_error.hpp"
#include "support/small_bert.hpp"

namespace hone_test {
namespace {

using namespace hone;

TEST(Wilson, KnownIntervals) {
  const struct {
    std::int64_t hits, count;
    double low, high;
  } known[] = {{0, 10, 0.0, 0.2775327998628892},
               {5, 10, 0.236593090512564, 0.763406909487436},
               {8, 10, 0.4901624715366418, 0.9433178485456247},
               {1, 1, 0.20654931437723742, 1.0},
               {21675, 25000, 0.862734227102706, 0.8711530049940488}};
  for (const auto& each : known) {
    const Interval interval = wilson_interval(each.hits, each.count);
    EXPECT_NEAR(interval.low, each.low, 1e-12);
    EXPECT_NEAR(interval.high, each.high, 1e-12);
  }
  EXPECT_EQ(wilson_interval(0, 0).low, 0);
  EXPECT_EQ(wilson_interval(0, 0).high, 1);
}

TEST(Evaluate, CountsAndLossFollowFromTheLogits) {
  const Model model = small_bert();
  const TokenizedData data = random_sequences(40);
  Executor forward = make_forward(model, Mode::compiled);
  std::int64_t seen = 0;
  EvaluateOptions options;
  options.progress = [&](std::int64_t done) { seen = done; };
  const Evaluation result = evaluate(forward, data, options);
  EXPECT_EQ(seen, 40);
  EXPECT_EQ(result.samples, 40);
  EXPECT_EQ(result.tokens, static_cast<std::int64_t>(data.ids.size()));
  ASSERT_EQ(result.logits.shape(), (Shape{40, 3}));
  double loss = 0;
  std::int64_t correct = 0;
  for (std::int64_t i = 0; i < 40; ++i) {
    const float* row = result.logits.as<float>() + 3 * i;
    double sum = 0;
    for (int c = 0; c < 3; ++c) sum += std::exp(static_cast<double>(row[c]));
    const int label = data.labels[static_cast<std::size_t>(i)];
    loss += std::log(sum) - row[label];
    int best = 0;
    for (int c = 1; c < 3; ++c)
      if (row[c] > row[best]) best = c;
    correct += best == label ? 1 : 0;
  }
  EXPECT_NEAR(result.loss, loss / 40, 1e-6);
  EXPECT_EQ(result.correct, correct);
  EXPECT_EQ(result.accuracy, static_cast<double>(correct) / 40);
  EXPECT_EQ(result.interval.low, wilson_interval(correct, 40).low);
}

TEST(Evaluate, RefusesWhatItCannotCount) {
  const Model model = small_bert();
  Executor forward = make_forward(model, Mode::compiled);
  EXPECT_ERROR(evaluate(forward, {}), ErrorCode::invalid_argument, "no samples");
  TokenizedData data = random_sequences(3);
  data.labels[1] = 3;
  EXPECT_ERROR(evaluate(forward, data), ErrorCode::invalid_argument,
               "sample 1: label 3 is outside the model's 3 classes");
  data = random_sequences(3);
  data.ids[0] = 1100;
  EXPECT_ERROR(evaluate(forward, data), ErrorCode::invalid_argument, "1100");
  EvaluateOptions stopped;
  stopped.stop = [] { return true; };
  EXPECT_ERROR(evaluate(forward, random_sequences(3), stopped), ErrorCode::interrupted, "stopped");
}

}  // namespace
}  // namespace hone_test
