// Removing what masks left without effect gives the answers of the masked model, in every mode.
#include "hone/passes/remove.hpp"

#include <cmath>
#include <functional>

#include <gtest/gtest.h>

#include "hone/core/philox.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/frontends/saved_model.hpp"
#include "hone/graph/text.hpp"
#include "hone/passes/packing.hpp"
#include "hone/passes/select_formats.hpp"
#include "hone/run/forward.hpp"
#include "hone/train/evaluate.hpp"
#include "hone/train/trainer.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"
#include "support/small_bert.hpp"

namespace hone_test {
namespace {

using namespace hone;

const std::string layer0 = "bert.encoder.layer.0.";
const std::string layer1 = "bert.encoder.layer.1.";

// Puts a mask behind a parameter: `keep` by row and column.
void mask_parameter(Model& model, const std::string& name,
                    const std::function<bool(std::int64_t row, std::int64_t column)>& keep) {
  Graph& graph = model.graph;
  const ValueId parameter = graph.find(name);
  const Tensor& tensor = model.tensors.at(name);
  Tensor mask(DType::u8, tensor.shape());
  const std::int64_t columns = tensor.shape().size() == 1 ? 1 : tensor.shape()[1];
  for (std::int64_t i = 0; i < mask.size(); ++i)
    mask.as<std::uint8_t>()[i] = keep(i / columns, i % columns);
  ValueType type = graph.type(parameter);
  type.dtype = DType::u8;
  const ValueId buffer = graph.buffer(name + ".mask", type);
  const ValueId masked = graph.apply("mask", {parameter, buffer}, {}, name + ".masked");
  const NodeId own = graph.value(masked).producer;
  graph.replace_uses(parameter, masked);
  graph.node(own).inputs = {parameter, buffer};
  graph.sort();
  model.tensors.set(name + ".mask", mask);
}

// Large numbers everywhere, biases too: what is lost would show.
Model spread_model() {
  Model model = small_bert();
  RandomStream random(8, 1);
  for (const std::string& name : model.tensors.names()) {
    Tensor tensor = model.tensors.at(name).clone();
    for (float& value : tensor.span<float>())
      value += 0.2f * (static_cast<float>(random.below(1000)) / 500.0f - 1.0f);
    model.tensors.set(name, tensor);
  }
  return model;
}

Tensor logits_of(const Model& model, Mode mode) {
  static const TokenizedData data = random_sequences(24);
  Executor forward = make_forward(model, mode);
  return evaluate(forward, text_samples(data)).logits;
}

void expect_same_answers(const Model& removed, const Model& masked) {
  for (const Mode mode : {Mode::reference, Mode::eager, Mode::compiled}) {
    const Tensor a = logits_of(removed, mode), b = logits_of(masked, mode);
    double largest = 0, difference = 0;
    for (std::int64_t i = 0; i < a.size(); ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(b.as<float>()[i])));
      difference =
          std::max(difference, std::abs(static_cast<double>(a.as<float>()[i]) - b.as<float>()[i]));
    }
    EXPECT_LT(difference, 1e-5 * largest) << static_cast<int>(mode);
  }
}

Removal remove_and_compare(const Model& masked, Model& removed) {
  removed = masked;
  const Removal removal = remove_structures(removed);
  EXPECT_LT(removal.parameters_after, removal.parameters_before);
  expect_same_answers(removed, masked);
  return removal;
}

const auto third = [](std::int64_t i) { return i % 3 == 0; };
bool second_head(std::int64_t i) { return i >= 12 && i < 24; }

TEST(Remove, NeuronsWhoseOutputNobodyReads) {
  Model model = spread_model(), removed;
  mask_parameter(model, layer0 + "output.dense.weight",
                 [](std::int64_t, std::int64_t column) { return third(column); });
  const Removal removal = remove_and_compare(model, removed);
  ASSERT_EQ(removal.neurons.size(), 1u);
  EXPECT_EQ(removal.neurons[0].node, "layer0.wide");
  EXPECT_EQ(removal.neurons[0].before, 50);
  EXPECT_EQ(removal.neurons[0].after, 17);
  EXPECT_EQ(removed.tensors.at(layer0 + "intermediate.dense.weight").shape(), (Shape{17, 36}));
  EXPECT_EQ(removed.tensors.at(layer0 + "intermediate.dense.bias").shape(), Shape{17});
  EXPECT_EQ(removed.tensors.at(layer0 + "output.dense.weight").shape(), (Shape{36, 17}));
  // Nothing of the mask is left.
  EXPECT_EQ(print_graph(removed.graph).find("mask"), std::string::npos);
}

// A neuron of zeros gives a constant: gelu of its bias.
TEST(Remove, NeuronsThatAreConstant) {
  Model model = spread_model(), removed;
  mask_parameter(model, layer1 + "intermediate.dense.weight",
                 [](std::int64_t row, std::int64_t) { return row % 2 == 0; });
  const Removal removal = remove_and_compare(model, removed);
  ASSERT_EQ(removal.neurons.size(), 1u);
  EXPECT_EQ(removal.neurons[0].after, 25);
}

TEST(Remove, HeadsThatNobodyReadsAndHeadsThatAreConstant) {
  for (const bool by_value : {false, true}) {
    Model model = spread_model(), removed;
    if (by_value)
      mask_parameter(model, layer0 + "attention.self.value.weight",
                     [](std::int64_t row, std::int64_t) { return !second_head(row); });
    else
      mask_parameter(model, layer0 + "attention.output.dense.weight",
                     [](std::int64_t, std::int64_t column) { return !second_head(column); });
    const Removal removal = remove_and_compare(model, removed);
    ASSERT_EQ(removal.heads.size(), 1u);
    EXPECT_EQ(removal.heads[0].node, "layer0.attention");
    EXPECT_EQ(removal.heads[0].before, 3);
    EXPECT_EQ(removal.heads[0].after, 2);
    EXPECT_TRUE(removal.neurons.empty());
    EXPECT_EQ(removed.tensors.at(layer0 + "attention.self.query.weight").shape(), (Shape{24, 36}));
  }
}

// Half a head stays: the scores need all of its queries and keys.
TEST(Remove, PartsOfAHeadStay) {
  Model model = spread_model();
  mask_parameter(model, layer0 + "attention.output.dense.weight",
                 [](std::int64_t, std::int64_t column) { return column >= 6; });
  EXPECT_ERROR(remove_structures(model), ErrorCode::invalid_argument, "nothing to remove");
}

TEST(Remove, WholeBranchesAndLayers) {
  Model model = spread_model(), removed;
  const auto nothing = [](std::int64_t, std::int64_t) { return false; };
  mask_parameter(model, layer0 + "attention.output.dense.weight", nothing);
  mask_parameter(model, layer0 + "output.dense.weight", nothing);
  mask_parameter(model, layer0 + "output.dense.bias", nothing);
  const Removal removal = remove_and_compare(model, removed);
  EXPECT_EQ(removal.branches.size(), 2u);
  EXPECT_FALSE(removed.tensors.contains(layer0 + "attention.self.query.weight"));
  EXPECT_FALSE(removed.tensors.contains(layer0 + "intermediate.dense.weight"));
  EXPECT_FALSE(removed.tensors.contains(layer0 + "output.dense.bias"));
}

TEST(Remove, EverythingAtOnceAndElementsThatStay) {
  Model model = spread_model(), removed;
  mask_parameter(model, layer0 + "attention.output.dense.weight",
                 [](std::int64_t, std::int64_t column) { return column < 12; });
  mask_parameter(model, layer0 + "output.dense.weight",
                 [](std::int64_t, std::int64_t column) { return third(column); });
  mask_parameter(
      model, layer1 + "intermediate.dense.weight",
      [](std::int64_t row, std::int64_t column) { return row % 2 == 0 && third(column); });
  mask_parameter(model, layer1 + "attention.self.value.weight",
                 [](std::int64_t row, std::int64_t) { return row >= 24; });
  mask_parameter(model, "classifier.weight",
                 [](std::int64_t, std::int64_t column) { return column < 30; });
  remove_and_compare(model, removed);
  // Single elements keep their mask, in its new shape.
  EXPECT_EQ(removed.tensors.at(layer1 + "intermediate.dense.weight.mask").shape(), (Shape{25, 36}));
  // Saved in hone's own form, loaded, trained on, packed.
  const ScratchDirectory scratch;
  save_model(scratch.path() / "m", removed, removed.tensors);
  Model loaded = load_model({.name = (scratch.path() / "m").string()});
  expect_same_answers(loaded, model);
  TrainOptions options;
  options.batch = 4;
  EXPECT_TRUE(std::isfinite(train(loaded, text_samples(random_sequences(20)), nullptr, options,
                                  scratch.path() / "run", false, nullptr, {}, {})
                                .last_loss));
  set_formats(loaded, select_formats(loaded.graph, {{"linear", "mxint", {}}}));
  const Tensor simulated = logits_of(loaded, Mode::eager);
  pack_weights(loaded);
  const Tensor packed = logits_of(loaded, Mode::eager);
  for (std::int64_t i = 0; i < packed.size(); ++i)
    EXPECT_EQ(packed.as<float>()[i], simulated.as<float>()[i]);
}

TEST(Remove, AllHeadsOrNeuronsLeaveOneOrTheBias) {
  Model model = spread_model(), removed;
  // No product of zeros: every value is constant, its share moves into the bias behind.
  mask_parameter(model, layer0 + "attention.self.value.weight",
                 [](std::int64_t, std::int64_t) { return false; });
  const Removal removal = remove_and_compare(model, removed);
  EXPECT_EQ(removal.branches, std::vector<std::string>{"layer0.projection"});
}

// Few numbers left: products run on those, and give the same.
TEST(SparseProducts, GiveWhatMaskedOnesGive) {
  Model model = spread_model();
  for (const char* part : {"intermediate.dense.weight", "output.dense.weight"})
    mask_parameter(model, layer0 + part, [](std::int64_t row, std::int64_t column) {
      return (7 * row + 3 * column) % 11 == 0;
    });
  mask_parameter(model, layer1 + "attention.self.query.weight",
                 [](std::int64_t, std::int64_t column) { return third(column); });
  const Graph graph = make_forward_graph(model, Mode::compiled);
  // (None where vectors are wide: the dense product is fast then.)
  EXPECT_LE(std::count_if(graph.nodes.begin(), graph.nodes.end(),
                          [](const Node& node) { return node.op == "linear_sparse"; }),
            2)
      << "a third is too many";
  const Tensor a = logits_of(model, Mode::compiled), b = logits_of(model, Mode::reference);
  for (std::int64_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a.as<float>()[i], b.as<float>()[i], 1e-5);
}

TEST(Remove, RefusesWhatItWouldChange) {
  Model model = spread_model();
  EXPECT_ERROR(remove_structures(model), ErrorCode::invalid_argument, "nothing to remove",
               "--granularity");
  mask_parameter(model, layer0 + "output.dense.weight",
                 [](std::int64_t, std::int64_t column) { return third(column); });
  set_formats(model, select_formats(model.graph, {{"linear", "mxint", {}}}));
  EXPECT_ERROR(remove_structures(model), ErrorCode::unsupported, "rounded", "remove first");
}

}  // namespace
}  // namespace hone_test
