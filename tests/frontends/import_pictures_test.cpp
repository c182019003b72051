// Imported networks of pictures: named for the task, they answer as the file does, are trained,
// saved and loaded; what is no classifier of pictures is refused saying why.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "frontends/small_classifier.hpp"
#include "hone/data/shape_generator.hpp"
#include "hone/frontends/onnx/export_onnx.hpp"
#include "hone/frontends/onnx/import_onnx.hpp"
#include "hone/frontends/saved_model.hpp"
#include "hone/tasks/task.hpp"
#include "hone/train/stepper.hpp"
#include "hone/train/trainer.hpp"
#include "support/compare_models.hpp"
#include "support/expect_error.hpp"
#include "support/picture_model.hpp"
#include "support/scratch_directory.hpp"

namespace hone_test {
namespace {

using namespace hone;

TEST(ImportPictures, AnswersAsTheFileAndLearns) {
  const ScratchDirectory scratch;
  const Model original = drawn_picture_model();
  const auto file = scratch.path() / "cnn.onnx";
  export_onnx(original, file);
  Model model = import_picture_classifier(file, {.labels = {"one", "two", "three"}});
  EXPECT_EQ(model.task, "image_classification");
  EXPECT_EQ(model.labels, original.labels);
  EXPECT_EQ(model.head.size, 3);
  EXPECT_EQ(model.width, 64);
  const Tensor pictures = random_tensor({3, 3, 16, 16}, 1);
  const Tensor wanted = answers(original, Mode::reference, pictures);
  EXPECT_LT(largest_difference(wanted, answers(model, Mode::compiled, pictures)), 1e-5);
  // Means and variances are known numbers: training moves the rest.
  EXPECT_EQ(model.graph.value(model.graph.find("level1.0.bn.running_mean")).kind,
            ValueKind::buffer);
  save_model(scratch.path() / "saved", model, model.tensors);
  const Model loaded = load_model({.name = (scratch.path() / "saved").string()});
  EXPECT_TRUE(same_bits(answers(model, Mode::compiled, pictures),
                        answers(loaded, Mode::compiled, pictures)));
  EXPECT_EQ(loaded.labels, model.labels);
  EXPECT_EQ(loaded.image, model.image);
}

// What is learned of one set of classes serves another.
TEST(ImportPictures, AFreshHeadForOtherClasses) {
  const ScratchDirectory scratch;
  const auto file = scratch.path() / "cnn.onnx";
  export_onnx(drawn_picture_model(), file);
  const Model before = import_picture_classifier(file, {});
  save_model(scratch.path() / "saved", before, before.tensors);
  ModelRequest request{.name = (scratch.path() / "saved").string(), .seed = 5};
  request.fresh_head = true;
  request.label_names = {"a", "b", "c", "d", "e"};
  const Model fresh = load_model(request);
  EXPECT_EQ(fresh.labels, request.label_names);
  EXPECT_EQ(fresh.head.size, 5);
  const Tensor pictures = random_tensor({2, 3, 16, 16}, 1);
  EXPECT_EQ(answers(fresh, Mode::compiled, pictures).shape(), (Shape{2, 5}));
  EXPECT_TRUE(same_bits(fresh.tensors.at("level1.0.conv.weight"),
                        before.tensors.at("level1.0.conv.weight")));
  save_model(scratch.path() / "fresh", fresh, fresh.tensors);
  const Model again = load_model({.name = (scratch.path() / "fresh").string()});
  EXPECT_EQ(again.labels, request.label_names);
  EXPECT_TRUE(
      same_bits(answers(again, Mode::eager, pictures), answers(fresh, Mode::eager, pictures)));
}

TEST(ImportPictures, TrainsInEveryModeTheSame) {
  const ScratchDirectory scratch;
  const auto file = scratch.path() / "cnn.onnx";
  export_onnx(drawn_picture_model(), file);
  TokenizedData data = draw_shapes(12, 1, false, drawn_picture_model().image);
  for (auto& label : data.labels) label %= 3;
  TrainOptions options;
  options.steps = 3;
  options.batch = 4;
  options.lr = 0.01;
  std::vector<std::vector<double>> losses;
  for (const Mode mode : {Mode::reference, Mode::compiled}) {
    Model model = import_picture_classifier(file, {});
    options.mode = mode;
    losses.emplace_back();
    TrainEvents events;
    events.on_step = [&](const StepReport& step) { losses.back().push_back(step.loss); };
    train(model, samples_of(model, data), nullptr, options,
          scratch.path() / (mode == Mode::reference ? "reference" : "compiled"), false, nullptr,
          events, {});
  }
  ASSERT_EQ(losses[0].size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(losses[0][i], losses[1][i], 1e-4) << i;
  EXPECT_NE(losses[0][0], losses[0][2]);
}

// A transformer of pictures as exporters write it. A bias of the scores that is learned needs a
// gradient, which the one node has not: there attention stays written out.
TEST(ImportPictures, AttentionIsTrainedAsOneNode) {
  const ScratchDirectory scratch;
  for (const bool learned_bias : {false, true}) {
    SCOPED_TRACE(learned_bias);
    OnnxWriter w;
    w.input("x", {"N", "3", "8", "8"}).output("logits", {"N", "3"});
    const auto weights = [&](const char* name, const std::vector<std::int64_t>& dims,
                             std::uint32_t seed, float times) {
      Tensor random = random_tensor(Shape(dims.begin(), dims.end()), seed);
      std::vector<float> values(random.span<float>().begin(), random.span<float>().end());
      for (float& value : values) value *= times;
      w.floats(name, dims, values);
    };
    weights("wq", {8, 8}, 1, 0.3f);
    weights("wk", {8, 8}, 2, 0.3f);
    weights("wv", {8, 8}, 3, 0.3f);
    weights("head", {8, 3}, 4, 0.3f);
    weights("bias", {2, 24, 24}, 5, 0.3f);
    w.floats("temperature", {1}, {0.5f});
    w.integers("tokens", {3}, {0, 24, 8});
    w.integers("heads", {4}, {0, 24, 2, 4});
    const auto transposed = [&](const std::string& from, const std::string& to,
                                std::vector<std::int64_t> order) {
      OnnxWriter::set(w.node("Transpose", {from}, {to}), "perm", order);
    };
    w.node("Reshape", {"x", "tokens"}, {"t"});
    for (const char* name : {"q", "k", "v"}) {
      const std::string one = name;
      w.node("MatMul", {"t", "w" + one}, {one + "0"});
      w.node("Reshape", {one + "0", "heads"}, {one + "1"});
      transposed(one + "1", one + "2",
                 one == "k" ? std::vector<std::int64_t>{0, 2, 3, 1}
                            : std::vector<std::int64_t>{0, 2, 1, 3});
    }
    w.node("MatMul", {"q2", "k2"}, {"s0"});
    w.node("Mul", {"s0", "temperature"}, {"s1"});
    if (learned_bias) w.node("Add", {"s1", "bias"}, {"s2"});
    w.node("Softmax", {learned_bias ? "s2" : "s1"}, {"p"});
    w.node("MatMul", {"p", "v2"}, {"o0"});
    transposed("o0", "o1", {0, 2, 1, 3});
    w.node("Reshape", {"o1", "tokens"}, {"o"});
    onnx::NodeProto& mean = w.node("ReduceMean", {"o"}, {"m"});
    OnnxWriter::set(mean, "axes", std::vector<std::int64_t>{1});
    OnnxWriter::set(mean, "keepdims", std::int64_t{0});
    w.node("MatMul", {"m", "head"}, {"logits"});
    const auto file = w.write(scratch.path() / "vit.onnx");
    std::vector<std::vector<double>> losses;
    for (const Mode mode : {Mode::reference, Mode::compiled}) {
      Model model = import_picture_classifier(file, {});
      TokenizedData data = draw_shapes(12, 1, false, model.image);
      for (auto& label : data.labels) label %= 3;
      TrainOptions options;
      options.steps = 4;
      options.batch = 4;
      options.lr = 0.1;
      options.mode = mode;
      losses.emplace_back();
      TrainEvents events;
      events.on_step = [&](const StepReport& step) { losses.back().push_back(step.loss); };
      const Samples samples = samples_of(model, data);
      if (mode == Mode::compiled) {
        const Graph graph = make_training_graph(model, *samples.task, options);
        const bool fused = std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& n) {
          return n.op == "dense_attention_grad";
        });
        EXPECT_EQ(fused, !learned_bias) << print_graph(graph);
      }
      train(model, samples, nullptr, options,
            scratch.path() / ((mode == Mode::reference ? "reference" : "compiled") +
                              std::to_string(learned_bias)),
            false, nullptr, events, {});
    }
    ASSERT_EQ(losses[0].size(), 4u);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(losses[0][i], losses[1][i], 1e-4) << i;
    EXPECT_NE(losses[0][0], losses[0][3]);
  }
}

TEST(ImportPictures, BatchesSizesAndSoftmax) {
  const ScratchDirectory scratch;
  const auto import = [&](const OnnxWriter& w, const PictureTask& task) {
    return import_picture_classifier(w.write(scratch.path() / "m.onnx"), task);
  };
  // A fixed batch of a network that takes any.
  const Model fixed = import(small_classifier({"1", "3", "8", "8"}), {});
  EXPECT_EQ(fixed.labels, (std::vector<std::string>{"LABEL_0", "LABEL_1"}));
  const Tensor pictures = random_tensor({3, 3, 8, 8}, 1);
  const Tensor wanted = answers(fixed, Mode::eager, pictures);
  EXPECT_EQ(wanted.shape(), (Shape{3, 2}));
  const Model open = import(small_classifier({"N", "3", "H", "W"}), {.image_size = 8});
  EXPECT_TRUE(same_bits(answers(open, Mode::eager, pictures), wanted));
  const Model ended = import(small_classifier({"N", "3", "8", "8"}, true), {});
  EXPECT_TRUE(same_bits(answers(ended, Mode::eager, pictures), wanted)) << "logits before softmax";
  EXPECT_THAT(ended.report.notes, testing::ElementsAre(testing::HasSubstr("softmax")));
  const Model prepared = import(small_classifier({"N", "3", "8", "8"}),
                                {.resize = 9, .mean = {0, 0, 0}, .deviation = {1, 1, 1}});
  EXPECT_EQ(prepared.image, (ImageInput{3, 8, 8, 9, {0, 0, 0}, {1, 1, 1}}));
}

TEST(ImportPictures, RefusesWhatIsNone) {
  const ScratchDirectory scratch;
  const auto refused = [&](const OnnxWriter& w, const PictureTask& task, const char* message) {
    const auto file = w.write(scratch.path() / "m.onnx");
    EXPECT_ERROR(import_picture_classifier(file, task), ErrorCode::unsupported, message);
  };
  refused(small_classifier({"N", "3", "8", "8"}), {.labels = {"a", "b", "c"}},
          "3 labels are given, it has 2 classes");
  refused(small_classifier({"N", "3", "H", "W"}), {}, "the size of pictures is open");
  OnnxWriter two = small_classifier({"N", "3", "8", "8"});
  two.output("p", {"N", "4", "1", "1"});
  refused(two, {}, "1 inputs and 2 outputs");
  OnnxWriter flat;
  flat.input("x", {"N", "4"});
  flat.node("Relu", {"x"}, {"y"});
  flat.output("y", {"N", "4"});
  refused(flat, {}, "pictures are f32[B,C,H,W]");
}

}  // namespace
}  // namespace hone_test
