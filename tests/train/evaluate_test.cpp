#include "hone/train/evaluate.hpp"
#include "hone/run/forward.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/expect_error.hpp"
#include "support/small_bert.hpp"

namespace hone_test {
namespace {

using namespace hone;

TEST(Evaluate, CountsAndLossFollowFromTheLogits) {
  const Model model = small_bert();
  const TokenizedData data = random_sequences(40);
  Executor forward = make_forward(model, Mode::compiled);
  std::int64_t seen = 0;
  EvaluateOptions options;
  options.progress = [&](std::int64_t done) { seen = done; };
  const Evaluation result = evaluate(forward, text_samples(data), options);
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

// The message of what evaluating `model` throws.
std::string failure_of(const Model& model, const TokenizedData& data, Mode mode) {
  Executor forward = make_forward(model, mode);
  try {
    evaluate(forward, text_samples(data));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::numeric);
    return error.message() + " | " + error.hint();
  }
  return "no error";
}

// A NaN in any weight that is read is found there, in every mode.
TEST(Evaluate, ANanNamesSampleNodeAndWeight) {
  TokenizedData data = random_sequences(20);
  const Model fresh = small_bert();
  const std::string intermediate = "bert.encoder.layer.0.intermediate.dense.weight";
  for (const Mode mode : {Mode::compiled, Mode::eager, Mode::reference}) {
    Model model = small_bert();
    model.tensors.at(intermediate).as<float>()[5] = NAN;
    model.tensors.at(intermediate).as<float>()[77] = INFINITY;
    EXPECT_THAT(failure_of(model, data, mode),
                testing::AllOf(testing::HasSubstr("the model's answer is not a finite number"),
                               testing::HasSubstr("node 'layer0.wide' [linear], whose parameter '" +
                                                  intermediate + "' holds 1 NaN and 1 infinity"),
                               testing::HasSubstr("the weights are damaged")));
  }
  for (const std::string& name : fresh.tensors.names()) {
    Model model = small_bert();
    Tensor& tensor = model.tensors.at(name);
    tensor.as<float>()[0] = NAN;
    for (std::int32_t& id : data.ids) id = id == 1 ? 0 : id;
    data.ids[0] = 0;
    EXPECT_THAT(failure_of(model, data, Mode::compiled),
                testing::HasSubstr("parameter '" + name + "' holds 1 NaN and 0 infinities"))
        << name;
  }
}

// Only the sample that reads the row is named, whatever else is in its batch.
TEST(Evaluate, TheSampleIsTheOneThatReadsTheNan) {
  TokenizedData data = random_sequences(20);
  for (std::int32_t& id : data.ids) id = id == 7 ? 6 : id;
  data.ids[static_cast<std::size_t>(data.offsets[13])] = 7;
  Model model = small_bert();
  model.tensors.at("bert.embeddings.word_embeddings.weight").as<float>()[7 * 36 + 3] = NAN;
  EXPECT_THAT(failure_of(model, data, Mode::compiled),
              testing::AllOf(testing::HasSubstr("sample 13: "), testing::HasSubstr("'words'")));
}

// Finite weights, too large for float32: not said of the weights.
TEST(Evaluate, AnOverflowIsToldApart) {
  const TokenizedData data = random_sequences(20);
  Model model = small_bert();
  for (float& value :
       model.tensors.at("bert.encoder.layer.1.intermediate.dense.weight").span<float>())
    value *= 1e38f;
  for (float& value : model.tensors.at("bert.encoder.layer.1.output.dense.weight").span<float>())
    value *= 1e38f;
  for (const Mode mode : {Mode::compiled, Mode::eager, Mode::reference})
    EXPECT_THAT(failure_of(model, data, mode),
                testing::AllOf(testing::HasSubstr("it begins in node 'layer1."),
                               testing::HasSubstr("for finite numbers of up to"),
                               testing::HasSubstr("the weights are finite"),
                               testing::Not(testing::HasSubstr("whose parameter"))));
}

TEST(Evaluate, RefusesWhatItCannotCount) {
  const Model model = small_bert();
  Executor forward = make_forward(model, Mode::compiled);
  EXPECT_ERROR(evaluate(forward, text_samples(random_sequences(0))), ErrorCode::invalid_argument,
               "no samples");
  TokenizedData data = random_sequences(3);
  data.labels[1] = 3;
  EXPECT_ERROR(evaluate(forward, text_samples(data)), ErrorCode::invalid_argument,
               "sample 1: label 3 is outside the model's 3 classes");
  data = random_sequences(3);
  data.ids[0] = 1100;
  EXPECT_ERROR(evaluate(forward, text_samples(data)), ErrorCode::invalid_argument, "1100");
  EvaluateOptions stopped;
  stopped.stop = [] { return true; };
  EXPECT_ERROR(evaluate(forward, text_samples(random_sequences(3)), stopped),
               ErrorCode::interrupted, "stopped");
}

}  // namespace
}  // namespace hone_test
