// Data that is dropped, and what pruning methods look at.
#include <cmath>
#include <functional>
#include <random>

#include <gtest/gtest.h>

#include "hone/data/batch.hpp"
#include "hone/data/load.hpp"
#include "hone/graph/weight.hpp"
#include "hone/passes/packing.hpp"
#include "hone/passes/pass.hpp"
#include "hone/passes/prune.hpp"
#include "hone/passes/select_formats.hpp"
#include "hone/tasks/task.hpp"
#include "hone/train/saliency.hpp"
#include "support/compare_models.hpp"
#include "support/expect_error.hpp"
#include "support/small_bert.hpp"

namespace hone_test {
namespace {

using namespace hone;

TEST(PrunedData, EachTokenKeepsItsLargestWhateverItsBatch) {
  const TokenizedData data = random_sequences(12);
  Model model = small_bert();
  const std::string before = print_graph(model.graph);
  std::vector<std::string> names;
  for (const NodeId node : prunable_nodes(model.graph, ""))
    names.push_back(model.graph.value(model.graph.node(node).outputs[0]).name);
  EXPECT_EQ(prune_data(model, names, {.sparsity = 0.5}), 13);
  EXPECT_EQ(pruned_data_of(model.graph).size(), 13u);
  const Tensor together = logits_of(model, data, Mode::compiled);
  EXPECT_LT(largest_difference(together, logits_of(model, data, Mode::reference)), 1e-4);
  for (std::int64_t i = 0; i < data.size(); ++i) {
    const Tensor alone = logits_of(model, subset(data, std::vector<std::int64_t>{i}));
    for (std::int64_t c = 0; c < 3; ++c)
      EXPECT_NEAR(alone.as<float>()[c], together.as<float>()[i * 3 + c], 1e-5);
  }
  // Again replaces; of the whole call a sample's answer depends on its batch, as MASE's does.
  prune_data(model, names, {.sparsity = 0.5, .whole_tensor = true});
  EXPECT_EQ(pruned_data_of(model.graph).size(), 13u);
  const Tensor mixed = logits_of(model, data);
  double largest = 0;
  for (std::int64_t i = 0; i < data.size(); ++i) {
    const Tensor alone = logits_of(model, subset(data, std::vector<std::int64_t>{i}));
    for (std::int64_t c = 0; c < 3; ++c)
      largest = std::max(largest, std::abs(static_cast<double>(alone.as<float>()[c]) -
                                           mixed.as<float>()[i * 3 + c]));
  }
  EXPECT_GT(largest, 1e-4);
  // At random each node draws numbers of its own, the same in every run.
  prune_data(model, names, {.sparsity = 0.5, .random = true});
  EXPECT_TRUE(same_bits(logits_of(model, data), logits_of(model, data)));
  const auto stream_of = [&](const char* node) {
    return model.graph.producer(model.graph.node(model.graph.find_node(node)).inputs[0])
        ->attributes.integer_or("stream", 0);
  };
  EXPECT_NE(stream_of("layer0.q"), stream_of("layer0.k"));
  prune_data(model, names, {.sparsity = 0});
  EXPECT_EQ(print_graph(model.graph), before);
}

TEST(PrunedData, StandsBeforeFormatsInEitherOrder) {
  Model a = small_bert(), b = small_bert();
  const Quantization formats = linear_formats(a, "integer", {{"width", "8"}, {"frac_width", "5"}});
  const std::vector<std::string> names{"layer0.q", "layer0.wide"};
  prune_data(a, names, {.sparsity = 0.5});
  set_formats(a, formats);
  set_formats(b, formats);
  prune_data(b, names, {.sparsity = 0.5});
  expect_equal_models(a, b);
  const Node& node = a.graph.node(a.graph.find_node("layer0.q"));
  const Node* rounding = a.graph.producer(node.inputs[0]);
  ASSERT_EQ(rounding->op, "quantize");
  EXPECT_EQ(a.graph.producer(rounding->inputs[0])->op, "sparsify");
  // Those of the same data that are not pruned read it whole.
  const Node& key = a.graph.node(a.graph.find_node("layer0.k"));
  EXPECT_NE(key.inputs[0], node.inputs[0]);
  pack_weights(a);
  prune_data(a, names, {.sparsity = 0.25});
  EXPECT_TRUE(is_packed(a.graph));
}

// Loss of a model on samples, in the reference mode.
double loss_of(const Model& model, const TokenizedData& data) {
  Graph graph = model.graph;
  append_loss(graph, find_task("text_classification"));
  run_passes(graph, {{"set_dropout", {{"training", false}}}});
  graph.outputs.erase(graph.outputs.begin());
  Executor executor(std::move(graph), false);
  for (const std::string& name : model.tensors.names()) executor.bind(name, model.tensors.at(name));
  std::vector<std::int64_t> all(static_cast<std::size_t>(data.size()));
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int64_t>(i);
  return executor.run(text_samples(data).training_inputs(all)).at("loss").as<float>()[0];
}

TEST(Saliency, GradientsAreSlopesOfTheMeanLoss) {
  const TokenizedData data = random_sequences(10);
  Model model = small_bert();
  const std::string value = "bert.encoder.layer.1.attention.self.value.weight";
  Tensor every_third(DType::u8, {36, 36});
  for (std::int64_t i = 0; i < every_third.size(); ++i)
    every_third.as<std::uint8_t>()[i] = i % 3 != 0;
  set_masks(model, {{value, every_third}});
  const auto gradients =
      loss_gradients(model, {query_weight, value}, text_samples(data), {.samples = 100});
  ASSERT_EQ(gradients.size(), 2u);
  double scale = 0;
  for (const float g : gradients.at(value).span<float>())
    scale = std::max(scale, std::abs(static_cast<double>(g)));
  EXPECT_GT(scale, 1e-4);
  const Tensor& mask = model.tensors.at(mask_name(value));
  for (std::int64_t i = 0; i < 1296; i += 97) {
    Model moved = model;
    Tensor w = model.tensors.at(value).clone();
    moved.tensors.set(value, w);
    const float x = w.as<float>()[i];
    const float h = 0.05f;
    w.as<float>()[i] = x + h;
    const double above = loss_of(moved, data);
    w.as<float>()[i] = x - h;
    const double slope = (above - loss_of(moved, data)) / (2 * static_cast<double>(h));
    EXPECT_NEAR(gradients.at(value).as<float>()[i], slope, 0.02 * scale + 2e-5) << i;
    if (mask.as<std::uint8_t>()[i] == 0) EXPECT_EQ(gradients.at(value).as<float>()[i], 0.0f);
  }
  EXPECT_ERROR(loss_gradients(model, {"nothing"}, text_samples(data), {}),
               ErrorCode::invalid_argument, "nothing");
  EXPECT_ERROR(loss_gradients(model, {query_weight}, text_samples(random_sequences(0)), {}),
               ErrorCode::invalid_argument, "no samples");
}

// What a node reads, in the reference mode.
Tensor read_of(const Model& model, const std::string& node, const TokenizedData& data) {
  Graph graph = model.graph;
  run_passes(graph, {{"set_dropout", {{"training", false}}}});
  graph.outputs = {{"x", graph.node(graph.find_node(node)).inputs[0]}};
  graph.remove_dead();
  Executor executor(std::move(graph), false);
  for (const Value& v : executor.graph().values)
    if (is_tensor_of_model(v.kind)) executor.bind(v.name, model.tensors.at(v.name));
  std::vector<std::int64_t> all(static_cast<std::size_t>(data.size()));
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int64_t>(i);
  return executor.run(text_samples(data).inputs(all)).at("x");
}

TEST(Saliency, NormsAndQuantilesAreThoseOfWhatNodesRead) {
  const TokenizedData data = random_sequences(6);
  const Model model = small_bert();
  const std::string weight = "bert.encoder.layer.1.output.dense.weight";
  const std::string node = [&] {
    for (const Node& each : model.graph.nodes)
      for (const ValueId id : weights_of(model.graph, each))
        if (model.graph.value(id).name == weight) return model.graph.value(each.outputs[0]).name;
    return std::string();
  }();
  const Tensor x = read_of(model, node, data);
  const Tensor norms = input_norms(model, {weight}, text_samples(data), {.samples = 6}).at(weight);
  ASSERT_EQ(norms.shape(), (Shape{50}));
  for (std::int64_t c = 0; c < 50; ++c) {
    double sum = 0;
    for (std::int64_t r = 0; r < x.shape()[0]; ++r)
      sum += std::pow(static_cast<double>(x.as<float>()[r * 50 + c]), 2);
    EXPECT_NEAR(norms.as<float>()[c], std::sqrt(sum), 1e-4 * (1 + std::sqrt(sum)));
  }
  const std::string value = data_of_nodes(model.graph, {model.graph.find_node(node)}).at(0);
  std::vector<double> sizes;
  for (const float v : x.span<float>()) sizes.push_back(std::fabs(v));
  std::sort(sizes.begin(), sizes.end());
  const double quantile =
      magnitude_quantiles(model, {value}, 0.5, text_samples(data), {.samples = 6}).at(value);
  EXPECT_NEAR(quantile, sizes[sizes.size() / 2], 1e-3);
  EXPECT_ERROR(
      input_norms(model, {"bert.embeddings.word_embeddings.weight"}, text_samples(data), {}),
      ErrorCode::invalid_argument, "embedding");
}

// What is no number is no small number.
TEST(Sparsify, NanStays) {
  Tensor x(DType::f32, {2, 20});
  for (std::int64_t i = 0; i < x.size(); ++i) x.as<float>()[i] = static_cast<float>(i % 20);
  x.as<float>()[3] = std::nanf("");
  for (const Options& options : {Options{{"sparsity", 0.95}}, Options{{"threshold", 100.0}}}) {
    Graph graph;
    graph.outputs.emplace_back(
        "y", graph.apply("sparsify", {graph.input("x", {DType::f32, {2, 20}})}, options));
    for (const bool kernels : {false, true}) {
      Executor executor(graph, kernels);
      EXPECT_TRUE(std::isnan(executor.run({{"x", x}}).at("y").as<float>()[3]));
    }
  }
}

// The kernel guesses from a sample where the quantile lies; also where the guess is wrong.
TEST(SparsifyTensor, LargeTensorsAreAsTheDefinitionSays) {
  constexpr std::int64_t n = 70 * 700;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  const std::vector<std::pair<const char*, std::function<float(std::int64_t)>>> cases{
      {"normal", [&](std::int64_t) { return normal(random); }},
      {"rising", [](std::int64_t i) { return static_cast<float>(i) - 20000; }},
      {"equal", [](std::int64_t) { return -2.0f; }},
      {"mostly zeros", [&](std::int64_t i) { return i % 7 == 0 ? normal(random) : 0.0f; }},
      {"what the sample sees is large",
       [&](std::int64_t i) { return normal(random) + (i % 11 == 0 ? 100.0f : 0.0f); }},
      {"infinite", [&](std::int64_t i) { return i % 2 == 0 ? HUGE_VALF : normal(random); }},
      {"one NaN", [&](std::int64_t i) { return i == n - 1 ? std::nanf("") : normal(random); }}};
  for (const auto& [name, number] : cases) {
    Tensor x(DType::f32, {70, 700});
    for (std::int64_t i = 0; i < n; ++i) x.as<float>()[i] = number(i);
    for (const double sparsity : {0.0, 0.0001, 0.5, 0.97, 1.0}) {
      Graph graph;
      const ValueId input = graph.input("x", {DType::f32, {70, 700}});
      graph.outputs.emplace_back("y",
                                 graph.apply("sparsify_tensor", {input}, {{"sparsity", sparsity}}));
      const Tensor defined = Executor(graph, false).run({{"x", x}}).at("y");
      EXPECT_TRUE(same_bits(Executor(graph, true).run({{"x", x}}).at("y"), defined))
          << name << ", sparsity " << sparsity;
    }
  }
}

}  // namespace
}  // namespace hone_test
