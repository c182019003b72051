// Trained steps: the gradient is that of what is computed, and no training takes a step to zero or
// below.
#include <cmath>

#include <gtest/gtest.h>

#include "hone/frontends/hugging_face.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/frontends/saved_model.hpp"
#include "hone/ops/detail/learned.hpp"
#include "hone/passes/learned_steps.hpp"
#include "hone/passes/packing.hpp"
#include "hone/passes/select_formats.hpp"
#include "hone/train/calibrate.hpp"
#include "hone/train/trainer.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"
#include "support/small_bert.hpp"

namespace hone_test {
namespace {

using namespace hone;

Options grid_options(std::int64_t width, bool is_signed) {
  return complete_options(learned_attributes(),
                          {{"width", width}, {"is_signed", is_signed}, {"count", std::int64_t{7}}},
                          "test");
}

// The loss sum dy y(x; s) with the rounding of every number held as it is at s0 (straight through),
// in double: |s| clamp(x / |s| + r, low, high), r what rounding adds at s0.
double surrogate(const Tensor& x, const Tensor& dy, double s, double s0, double low, double high) {
  double loss = 0;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const double value = x.as<float>()[i];
    const double v0 = value / std::fabs(s0);
    const double r = std::nearbyint(v0) - v0;
    const double v = value / std::fabs(s);
    // Which side of a limit a number lies on is held too.
    const double code = v0 <= low ? low : v0 >= high ? high : v + r;
    loss += dy.as<float>()[i] * std::fabs(s) * code;
  }
  return loss;
}

TEST(LearnedSteps, GradientIsThatOfWhatIsComputed) {
  const Op& gradient = find_op("quantize_step_grad");
  const Op& forward = find_op("quantize_learned");
  for (const bool is_signed : {true, false})
    for (const std::int64_t width : {2, 4, 8})
      for (const double magnitude : {2.0, 0.05, 1e-3, 1e-9, 1e-25})
        for (const double sign : {1.0, -1.0}) {
          SCOPED_TRACE(testing::Message() << width << " bits, step " << sign * magnitude);
          const Tensor x = random_tensor({9, 31}, 1, 3 * magnitude);
          const Tensor dy = random_tensor({9, 31}, 2);
          const Tensor step = f32_tensor({1}, {sign * magnitude});
          const Options options = grid_options(width, is_signed);
          const double high = std::exp2(is_signed ? width - 1 : width) - 1;
          const double low = is_signed ? -high : 0;
          // Forward: the same grid for a step of either sign.
          const Tensor y = evaluate_reference(forward, {&x, &step}, options)[0];
          const double s = step.as<float>()[0];
          for (std::int64_t i = 0; i < x.size(); ++i) {
            const double v = x.as<float>()[i] / std::fabs(s);
            const double expected = std::clamp(std::nearbyint(v), low, high) * std::fabs(s);
            ASSERT_NEAR(y.as<float>()[i], expected, 1e-6 * magnitude * (1 + std::fabs(v)));
          }
          const double h = 1e-4 * magnitude;
          const double measured =
              (surrogate(x, dy, s + h, s, low, high) - surrogate(x, dy, s - h, s, low, high)) /
              (2 * h);
          const double scale = 1 / std::sqrt(7.0 * high);
          const float got =
              evaluate_reference(gradient, {&x, &step, &dy}, options)[0].as<float>()[0];
          EXPECT_NEAR(got, measured * scale, 2e-5 * (1 + std::fabs(measured * scale)));
        }
}

// Below the smallest step that is used, nothing depends on the trained number.
TEST(LearnedSteps, TheSmallestStepHasNoGradient) {
  const Tensor x = random_tensor({3, 5}, 1), dy = random_tensor({3, 5}, 2);
  for (const double tiny : {0.0, 1e-35, -1e-35}) {
    const Tensor step = f32_tensor({1}, {tiny});
    const Options options = grid_options(4, true);
    EXPECT_EQ(evaluate_reference(find_op("quantize_step_grad"), {&x, &step, &dy}, options)[0]
                  .as<float>()[0],
              0);
    const Tensor y = evaluate_reference(find_op("quantize_learned"), {&x, &step}, options)[0];
    for (const float value : y.span<float>()) {
      EXPECT_GT(std::fabs(value), 0);
      EXPECT_LE(std::fabs(value), 7 * least_step);
    }
  }
}

Model learning(const char* format) {
  Model model = small_bert();
  set_formats(model,
              select_formats(model.graph,
                             {{"linear", format, {{"width", "4"}, {"learned_step", "true"}}}}));
  initialize_learned_steps(model, text_samples(random_sequences(30)));
  return model;
}

std::vector<std::string> steps_of(const Model& model) {
  std::vector<std::string> names;
  for (const std::string& name : model.tensors.names())
    if (name.size() > 5 && name.compare(name.size() - 5, 5, ".step") == 0) names.push_back(name);
  return names;
}

TEST(LearnedSteps, StayPositiveAtAnyLearningRate) {
  for (const char* format : {"affine", "integer"})
    for (const char* optimizer : {"adamw", "sgd"})
      for (const std::int64_t accumulate : {1, 2}) {
        SCOPED_TRACE(testing::Message() << format << " " << optimizer << " " << accumulate);
        const ScratchDirectory scratch;
        Model model = learning(format);
        const TensorStore first = model.tensors;
        std::map<std::string, float> before;
        for (const std::string& name : steps_of(model))
          before[name] = model.tensors.at(name).as<float>()[0];
        ASSERT_GT(before.size(), 10u);
        TrainOptions options;
        options.optimizer = optimizer;
        options.accumulate = accumulate;
        // Larger than every step.
        options.lr = optimizer == std::string("sgd") ? 5.0 : 0.2;
        options.batch = 4;
        options.clip = 0;
        train(model, text_samples(random_sequences(30)), nullptr, options, scratch.path() / "run",
              false, nullptr, {}, {});
        int smaller = 0;
        for (const std::string& name : steps_of(model)) {
          const float step = model.tensors.at(name).as<float>()[0];
          EXPECT_GT(step, 0) << name;
          EXPECT_TRUE(std::isfinite(step)) << name;
          smaller += step < before.at(name);
        }
        EXPECT_GT(smaller, 0) << "no step was ever to shrink";
      }
}

// A negative step, as older checkpoints may hold, trains as the positive one of its magnitude.
TEST(LearnedSteps, NegativeStepsAreMirrorImages) {
  const ScratchDirectory scratch;
  TrainOptions options;
  options.lr = 5e-3;
  options.batch = 4;
  const auto trained = [&](float sign, const char* name) {
    Model model = learning("affine");
    for (const std::string& step : steps_of(model)) model.tensors.at(step).as<float>()[0] *= sign;
    train(model, text_samples(random_sequences(30)), nullptr, options, scratch.path() / name, false,
          nullptr, {}, {});
    return model;
  };
  const ThreadScope threads(1);
  const Model up = trained(1.0f, "up"), down = trained(-1.0f, "down");
  for (const std::string& step : steps_of(up))
    EXPECT_EQ(up.tensors.at(step).as<float>()[0], -down.tensors.at(step).as<float>()[0]) << step;
  EXPECT_EQ(up.tensors.at("classifier.weight").as<float>()[0],
            down.tensors.at("classifier.weight").as<float>()[0]);
}

TEST(LearnedSteps, FilesWithoutAStepAreRefused) {
  const ScratchDirectory scratch;
  Model model = learning("affine");
  for (const double wrong : {0.0, std::nan(""), HUGE_VAL}) {
    model.tensors.at("layer0.wide.weight.step").as<float>()[0] = static_cast<float>(wrong);
    save_model(scratch.path() / "m", model, model.tensors);
    EXPECT_ERROR(load_model({.name = (scratch.path() / "m").string()}), ErrorCode::bad_format,
                 "layer0.wide.weight.step");
  }
}

}  // namespace
}  // namespace hone_test
