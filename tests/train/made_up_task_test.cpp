// The loop knows no texts: vectors of numbers are classified through the same training, evaluation,
// checkpoints and resuming, by a task that is made up here.
#include <cmath>
#include <cstring>

#include "hone/core/philox.hpp"
#include "hone/data/batch.hpp"
#include "hone/run/forward.hpp"
#include "hone/tasks/classes.hpp"
#include "hone/train/saliency.hpp"
#include "hone/train/trainer.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"
#include "support/thread_scope.hpp"

namespace hone_test {
namespace {

using namespace hone;

constexpr std::int64_t width = 4, classes = 3;

// The input x f32[B,4] from the column x.
void fill_vectors(const Dataset& data, SampleNumbers numbers, Inputs& inputs) {
  const std::span<const float> values = data.column("x").as<float>();
  Tensor x(DType::f32, {static_cast<std::int64_t>(numbers.size()), width});
  for (std::size_t b = 0; b < numbers.size(); ++b)
    std::copy_n(values.data() + numbers[b] * width, width,
                x.as<float>() + static_cast<std::int64_t>(b) * width);
  inputs["x"] = std::move(x);
}

const Task& vector_task() {
  static const Task task = [] {
    Task made{{"vector_classification", "one class of several for four numbers"}};
    made.columns = {"x"};
    made.fill = fill_vectors;
    answer_with_classes(made);
    return made;
  }();
  return task;
}

struct Vectors {
  std::vector<float> x;
  std::vector<std::int32_t> labels;
  std::vector<std::string> names{"red", "green", "blue"};

  Samples samples() const {
    return {
        &vector_task(),
        {.samples = static_cast<std::int64_t>(labels.size()),
         .columns = {make_column("x", DType::f32, x), make_column("labels", DType::i32, labels)},
         .label_names = names}};
  }
};

// Normal numbers around a corner for each class.
Vectors random_vectors(std::int64_t count, std::uint64_t seed) {
  Vectors data;
  RandomStream random(seed, 4);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto label = static_cast<std::int32_t>(random.below(classes));
    for (std::int64_t k = 0; k < width; ++k) {
      double sum = k == label ? 2 : 0;
      for (int n = 0; n < 12; ++n)
        sum += (static_cast<double>(random.below(1000)) / 1000 - 0.5) / 3;
      data.x.push_back(static_cast<float>(sum));
    }
    data.labels.push_back(label);
  }
  return data;
}

Tensor random_matrix(Shape shape, std::uint64_t seed) {
  Tensor tensor(DType::f32, std::move(shape));
  RandomStream random(seed, 5);
  for (float& value : tensor.span<float>())
    value = static_cast<float>(random.below(2001)) / 1000 - 1;
  return tensor;
}

// linear, or linear, relu, linear.
Model make_model(std::int64_t hidden) {
  Model model;
  model.name = "vectors";
  model.task = vector_task().name;
  model.head = {HeadKind::classes, classes};
  model.labels = {"red", "green", "blue"};
  model.width = width;
  Graph& graph = model.graph;
  graph.name = "vectors";
  ValueId x = graph.input("x", {DType::f32, {Dim("B"), Dim(width)}});
  std::int64_t inputs = width;
  const auto layer = [&](const std::string& name, std::int64_t outputs) {
    model.tensors.set(name + ".weight", random_matrix({outputs, inputs}, 7));
    model.tensors.set(name + ".bias", random_matrix({outputs}, 8));
    const ValueId w = graph.parameter(name + ".weight", {DType::f32, {Dim(outputs), Dim(inputs)}});
    const ValueId b = graph.parameter(name + ".bias", {DType::f32, {Dim(outputs)}});
    x = graph.apply("linear", {x, w, b}, {}, name == "out" ? "logits" : name);
    inputs = outputs;
  };
  if (hidden > 0) {
    layer("hidden", hidden);
    x = graph.apply("relu", {x});
  }
  layer("out", classes);
  graph.outputs.emplace_back("logits", x);
  return model;
}

TrainOptions plain_options() {
  TrainOptions options;
  options.epochs = 3;
  options.batch = 8;
  options.lr = 0.05;
  options.optimizer = "sgd";
  options.optimizer_options = {{"momentum", 0.9}, {"weight_decay", 0.1}};
  options.schedule = "constant";
  options.clip = 0;
  options.seed = 5;
  return options;
}

// Softmax regression by hand, in double: the mean loss of every step.
std::vector<double> losses_by_hand(const Vectors& data, const Model& model,
                                   const TrainOptions& options) {
  std::vector<double> w, b;
  for (const float value : model.tensors.at("out.weight").span<float>()) w.push_back(value);
  for (const float value : model.tensors.at("out.bias").span<float>()) b.push_back(value);
  std::vector<double> mw(w.size()), mb(b.size()), losses;
  const auto count = static_cast<std::int64_t>(data.labels.size());
  for (std::int64_t epoch = 0; epoch < static_cast<std::int64_t>(options.epochs); ++epoch) {
    const std::vector<std::int64_t> order = epoch_order(count, options.seed, epoch);
    for (std::int64_t begin = 0; begin < count; begin += options.batch) {
      const std::int64_t end = std::min(count, begin + options.batch);
      std::vector<double> gw(w.size()), gb(b.size());
      double loss = 0;
      for (std::int64_t s = begin; s < end; ++s) {
        const std::int64_t i = order[static_cast<std::size_t>(s)];
        double p[classes], sum = 0;
        for (std::int64_t c = 0; c < classes; ++c) {
          double z = b[c];
          for (std::int64_t k = 0; k < width; ++k) z += w[c * width + k] * data.x[i * width + k];
          sum += p[c] = std::exp(z);
        }
        loss -= std::log(p[data.labels[i]] / sum) / static_cast<double>(end - begin);
        for (std::int64_t c = 0; c < classes; ++c) {
          const double g =
              (p[c] / sum - (c == data.labels[i] ? 1 : 0)) / static_cast<double>(end - begin);
          gb[c] += g;
          for (std::int64_t k = 0; k < width; ++k) gw[c * width + k] += g * data.x[i * width + k];
        }
      }
      losses.push_back(loss);
      for (std::size_t j = 0; j < w.size(); ++j) {
        mw[j] = 0.9 * mw[j] + gw[j] + 0.1 * w[j];
        w[j] -= options.lr * mw[j];
      }
      for (std::size_t j = 0; j < b.size(); ++j) {
        mb[j] = 0.9 * mb[j] + gb[j];
        b[j] -= options.lr * mb[j];
      }
    }
  }
  return losses;
}

TEST(MadeUpTask, TrainsAsByHand) {
  const ScratchDirectory scratch;
  const Vectors data = random_vectors(50, 1);
  for (const Mode mode : {Mode::reference, Mode::compiled})
    for (const std::int64_t parts : {1, 3}) {
      Model model = make_model(0);
      TrainOptions options = plain_options();
      options.mode = mode;
      options.accumulate = parts;
      const std::vector<double> expected = losses_by_hand(data, model, options);
      std::vector<double> losses;
      TrainEvents events;
      events.on_step = [&](const StepReport& step) {
        losses.push_back(step.loss);
        EXPECT_EQ(step.tokens, step.samples);
      };
      const std::string name = std::to_string(static_cast<int>(mode)) + std::to_string(parts);
      train(model, data.samples(), nullptr, options, scratch.path() / name, false, nullptr, events,
            {});
      ASSERT_EQ(losses.size(), 21u);
      for (std::size_t i = 0; i < losses.size(); ++i)
        EXPECT_NEAR(losses[i], expected[i], 2e-6) << "step " << i;
    }
}

TEST(MadeUpTask, LearnsIsJudgedAndResumesBitForBit) {
  const ScratchDirectory scratch;
  const ThreadScope threads(2);
  const Vectors data = random_vectors(120, 1), held_out = random_vectors(60, 2);
  const Samples validation = held_out.samples();
  TrainOptions options = plain_options();
  options.optimizer = "adamw";
  options.optimizer_options = {};
  options.schedule = "polynomial";
  options.schedule_options = {{"power", 2.0}};
  options.warmup = 0.1;
  options.keep = Keep::last;
  const auto run = [&](const std::string& out, bool resume, std::int64_t steps) {
    Model model = make_model(8);
    TrainEvents events;
    std::int64_t done = 0;
    events.stop = [&] { return ++done == steps; };
    int saved = 0;
    const TrainResult result =
        train(model, data.samples(), &validation, options, scratch.path() / out, resume, nullptr,
              events, [&](const std::filesystem::path& folder) {
                EXPECT_TRUE(std::filesystem::is_directory(folder));
                ++saved;
              });
    EXPECT_GT(saved, 0);
    return std::pair{result, model};
  };
  const auto [whole, model] = run("whole", false, 0);
  EXPECT_TRUE(whole.finished);
  EXPECT_GT(whole.validation->accuracy, 0.95);
  EXPECT_EQ(whole.validation->labels, model.labels);
  EXPECT_EQ(whole.validation->tokens, 60);
  EXPECT_EQ(whole.tokens, whole.samples);
  EXPECT_FALSE(run("parts", false, 17).first.finished);
  const auto [rest, again] = run("parts", true, 0);
  EXPECT_TRUE(rest.finished);
  for (const std::string& name : model.tensors.names()) {
    const Tensor &a = model.tensors.at(name), &b = again.tensors.at(name);
    EXPECT_EQ(std::memcmp(a.data(), b.data(), a.bytes()), 0) << name;
  }
  Executor forward = make_forward(again, Mode::compiled);
  EXPECT_EQ(evaluate(forward, validation).confusion, rest.validation->confusion);
  // Pruning looks at such data too.
  const auto gradients = loss_gradients(again, {"hidden.weight"}, data.samples(), {});
  EXPECT_EQ(gradients.at("hidden.weight").shape(), (Shape{8, width}));
}

TEST(MadeUpTask, RefusesDataOfOtherTasks) {
  const ScratchDirectory scratch;
  Vectors data = random_vectors(20, 1);
  Model model = make_model(0);
  const auto refuse = [&](const Samples& samples, const TrainOptions& options,
                          const char* message) {
    EXPECT_ERROR(check_training(model, samples, nullptr, options), ErrorCode::invalid_argument,
                 message);
  };
  Samples texts{&find_task("text_classification"), data.samples().data};
  refuse(texts, plain_options(), "no column 'ids', only: x, labels");
  data.labels[7] = 3;
  refuse(data.samples(), plain_options(), "sample 7: label 3 is outside the model's 3 classes");
  data.labels[7] = 2;
  TrainOptions options = plain_options();
  options.metric = "mse";
  refuse(data.samples(), options, "unknown metric 'mse'");
  options = plain_options();
  options.class_weights = {1, 2};
  refuse(data.samples(), options, "2 class weights for 3 classes");
}

}  // namespace
}  // namespace hone_test
