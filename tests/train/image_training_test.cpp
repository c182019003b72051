// Networks of pictures are trained: batch norm by the statistics of batches, in every mode the same
// steps; runs resume bit for bit, and what is saved answers as it did.
#include <cmath>
#include <cstring>

#include "hone/data/shape_generator.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/frontends/saved_model.hpp"
#include "hone/run/forward.hpp"
#include "hone/train/trainer.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"
#include "support/thread_scope.hpp"

namespace hone_test {
namespace {

using namespace hone;

Model picture_model(const std::string& name,
                    std::vector<std::pair<std::string, std::string>> more = {}) {
  ModelRequest request{.name = name, .settings = {{"image_size", "8"}}, .seed = 3};
  for (auto& setting : more) request.settings.push_back(std::move(setting));
  request.label_names = shape_names();
  return load_model(request);
}

TrainOptions picture_options() {
  TrainOptions options;
  options.steps = 4;
  options.batch = 10;
  options.lr = 0.02;
  options.optimizer = "sgd";
  options.optimizer_options = {{"momentum", 0.9}, {"nesterov", true}};
  options.seed = 5;
  return options;
}

struct TrainedRun {
  TrainResult result;
  Model model;
  std::vector<double> losses;
};

TrainedRun train_pictures(Model model, const TokenizedData& data, const TrainOptions& options,
                          const std::filesystem::path& out, bool resume = false,
                          std::int64_t stop_after = 0, const TokenizedData* validation = nullptr) {
  TrainedRun run{{}, std::move(model), {}};
  const Samples samples = samples_of(run.model, data);
  Samples held;
  if (validation != nullptr) held = samples_of(run.model, *validation);
  TrainEvents events;
  events.on_step = [&](const StepReport& step) { run.losses.push_back(step.loss); };
  events.stop = [&] { return std::ssize(run.losses) == stop_after; };
  run.result = train(run.model, samples, validation != nullptr ? &held : nullptr, options, out,
                     resume, nullptr, events, {});
  return run;
}

TEST(ImageTraining, AllModesMakeTheSameSteps) {
  const ScratchDirectory scratch;
  for (const auto& [name, more] :
       std::vector<std::pair<std::string, std::vector<std::pair<std::string, std::string>>>>{
           {"small-cnn", {{"channels", "3"}}},
           {"resnet18", {{"depths", "1,1"}, {"widths", "4,6"}, {"stem", "large"}}}}) {
    const Model model = picture_model(name, more);
    const TokenizedData data = draw_shapes(40, 1, false, model.image);
    TrainOptions options = picture_options();
    options.mode = Mode::reference;
    const TrainedRun expected = train_pictures(model, data, options, scratch.path() / (name + "r"));
    options.mode = Mode::compiled;
    Model again = picture_model(name, more);
    const TrainedRun compiled = train_pictures(again, data, options, scratch.path() / (name + "c"));
    ASSERT_EQ(expected.losses.size(), 4u);
    for (std::size_t i = 0; i < 4; ++i)
      EXPECT_NEAR(compiled.losses[i], expected.losses[i], 2e-4) << name << " step " << i;
    EXPECT_LT(std::abs(compiled.losses[0] - std::log(10)), 1.5);
    for (const std::string& tensor : expected.model.tensors.names()) {
      const Tensor &a = expected.model.tensors.at(tensor), &b = compiled.model.tensors.at(tensor);
      for (std::int64_t i = 0; i < a.size(); ++i)
        ASSERT_NEAR(a.as<float>()[i], b.as<float>()[i], 2e-3) << tensor << " " << i;
    }
  }
}

// Running statistics after one step: momentum 0.1, the variance of the batch without bias. The
// first convolution is that of the numbers as they were.
TEST(ImageTraining, RunningStatisticsFollowTheBatch) {
  const ScratchDirectory scratch;
  const Model before = picture_model("small-cnn", {{"channels", "2"}});
  const TokenizedData data = draw_shapes(10, 1, false, before.image);
  TrainOptions options = picture_options();
  options.steps = 1;
  // What the first batch norm reads, by the model's own convolution.
  Graph graph = before.graph;
  for (const Node& node : graph.nodes)
    if (node.op == "batch_norm") {
      graph.outputs = {{"logits", node.inputs[0]}};
      break;
    }
  graph.remove_dead();
  Executor executor(std::move(graph), false);
  executor.bind("level1.0.conv.weight", before.tensors.at("level1.0.conv.weight"));
  std::vector<std::int64_t> numbers{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  const Tensor x = executor.run(samples_of(before, data).inputs(numbers)).at("logits");
  const TrainedRun run = train_pictures(picture_model("small-cnn", {{"channels", "2"}}), data,
                                        options, scratch.path() / "o");
  const std::int64_t plane = x.size() / 10 / 2;
  for (std::int64_t c = 0; c < 2; ++c) {
    double sum = 0, squares = 0;
    for (std::int64_t n = 0; n < 10; ++n)
      for (std::int64_t p = 0; p < plane; ++p) {
        const double value = x.as<const float>()[(n * 2 + c) * plane + p];
        sum += value;
        squares += value * value;
      }
    const auto count = static_cast<double>(10 * plane);
    const double mean = sum / count, variance = (squares - sum * mean) / (count - 1);
    EXPECT_NEAR(run.model.tensors.at("level1.0.bn.running_mean").as<float>()[c], 0.1 * mean, 1e-5);
    EXPECT_NEAR(run.model.tensors.at("level1.0.bn.running_var").as<float>()[c],
                0.9 + 0.1 * variance, 1e-4);
  }
}

TEST(ImageTraining, ResumesBitForBitAndIsSaved) {
  const ScratchDirectory scratch;
  const ThreadScope threads(2);
  const auto fresh = [] { return picture_model("small-cnn", {{"channels", "4"}}); };
  const TokenizedData data = draw_shapes(60, 1, false, fresh().image);
  const TokenizedData held_out = draw_shapes(20, 1, true, fresh().image);
  for (const std::int64_t parts : {1, 2}) {
    TrainOptions options = picture_options();
    options.steps = 9;
    options.accumulate = parts;
    options.schedule = "cosine";
    options.crop = 1;
    options.flip = true;
    options.mixup = 0.4;
    const std::filesystem::path whole = scratch.path() / fmt::format("whole{}", parts);
    const std::filesystem::path cut = scratch.path() / fmt::format("parts{}", parts);
    const TrainedRun once = train_pictures(fresh(), data, options, whole, false, 0, &held_out);
    EXPECT_TRUE(once.result.finished);
    EXPECT_FALSE(train_pictures(fresh(), data, options, cut, false, 4, &held_out).result.finished);
    const TrainedRun rest = train_pictures(fresh(), data, options, cut, true, 0, &held_out);
    EXPECT_EQ(rest.losses.size(), 5u);
    for (const std::string& name : once.model.tensors.names()) {
      const Tensor &a = once.model.tensors.at(name), &b = rest.model.tensors.at(name);
      EXPECT_EQ(std::memcmp(a.data(), b.data(), a.bytes()), 0) << name;
    }
    // Read back: a plain directory, by its architecture.
    const Model saved = load_model({.name = whole.string()});
    EXPECT_FALSE(is_saved_model(whole));
    EXPECT_EQ(saved.image, fresh().image);
    EXPECT_EQ(saved.labels, shape_names());
    Executor forward = make_forward(saved, Mode::compiled);
    const Evaluation again = evaluate(forward, samples_of(saved, held_out));
    EXPECT_EQ(again.confusion, once.result.kept()->confusion);
    options.crop = 2;
    EXPECT_ERROR(train_pictures(fresh(), data, options, cut, true, 0, &held_out),
                 ErrorCode::invalid_argument, "crop");
  }
}

TEST(ImageTraining, RefusesWhatCannotBeTrained) {
  const ScratchDirectory scratch;
  const Model model = picture_model("small-cnn", {{"channels", "2"}});
  TokenizedData data = draw_shapes(12, 1, false, model.image);
  // A last batch of one picture still has numbers; planes of one place have not.
  Model tiny = picture_model("resnet18", {{"depths", "1,1,1,1,1"}, {"widths", "2,2,2,2,2"}});
  TrainOptions options = picture_options();
  options.batch = 1;
  const auto check = [&] { check_training(tiny, samples_of(tiny, data), nullptr, options); };
  EXPECT_ERROR(train_pictures(tiny, data, options, scratch.path() / "a"),
               ErrorCode::invalid_argument, "has no variance", "choose another --batch");
  EXPECT_FALSE(std::filesystem::exists(scratch.path() / "a"));
  // Of twelve samples the last batch has one; it is not reached in the first step.
  options.batch = 11;
  options.steps = 1;
  EXPECT_NO_THROW(check());
  options.steps = 2;
  EXPECT_ERROR(check(), ErrorCode::invalid_argument, "12 samples an epoch, 11 a step");
  options.batch = 6;
  EXPECT_NO_THROW(check());
  options.accumulate = 4;
  EXPECT_ERROR(check(), ErrorCode::invalid_argument, "6 a step in 4 micro-batches");
  options.accumulate = 3;
  EXPECT_NO_THROW(check());
  options = picture_options();
  options.metric = "mse";
  EXPECT_ERROR(check_training(model, samples_of(model, data), nullptr, options),
               ErrorCode::invalid_argument, "unknown metric 'mse'");
}

// Logistic regression on the numbers of the pictures: the classes cannot be told that way.
TEST(ImageTraining, ALinearModelDoesNotLearnTheShapes) {
  const ScratchDirectory scratch;
  const ModelRequest request{.name = "small-cnn", .label_names = shape_names()};
  Model model = load_model(request);
  const ImageInput image = model.image;
  Graph graph;
  graph.name = "linear";
  const ValueId x = graph.input(
      "pixel_values", {DType::f32, {Dim("B"), image.channels, image.height, image.width}});
  const ValueId flat = graph.apply("reshape", {x}, {{"shape", fmt::format("B,{}", image.size())}});
  const ValueId w = graph.parameter("w", {DType::f32, {10, image.size()}});
  const ValueId b = graph.parameter("b", {DType::f32, {10}});
  graph.outputs.emplace_back("logits", graph.apply("linear", {flat, w, b}, {}, "logits"));
  model.graph = graph;
  model.config = Json();
  model.tensors = {};
  model.tensors.set("w", Tensor(DType::f32, {10, image.size()}));
  model.tensors.set("b", Tensor(DType::f32, {10}));
  const TokenizedData data = draw_shapes(3000, 1, false, image);
  const TokenizedData test = draw_shapes(600, 1, true, image);
  TrainOptions options;
  options.epochs = 6;
  options.batch = 50;
  options.lr = 1e-3;
  options.clip = 0;
  const TrainedRun run = train_pictures(model, data, options, scratch.path() / "o");
  Executor forward = make_forward(run.model, Mode::compiled);
  const Evaluation on_train = evaluate(forward, samples_of(run.model, data));
  const Evaluation on_test = evaluate(forward, samples_of(run.model, test));
  EXPECT_GT(on_train.accuracy, 0.2) << "it does learn something";
  EXPECT_LT(on_test.accuracy, 0.6);
}

}  // namespace
}  // namespace hone_test
