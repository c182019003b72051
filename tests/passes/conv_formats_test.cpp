// Formats on convolutions: every format, in every mode, packed or not, by filters and by the
// channels of a place; what a picture becomes does not depend on the pictures beside it.
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hone/graph/text.hpp"
#include "hone/graph/weight.hpp"
#include "hone/passes/batch_norm.hpp"
#include "hone/passes/format_checks.hpp"
#include "hone/passes/packing.hpp"
#include "hone/passes/prune.hpp"
#include "hone/passes/select_formats.hpp"
#include "support/compare_models.hpp"
#include "support/expect_error.hpp"
#include "support/picture_model.hpp"

namespace hone_test {
namespace {

using namespace hone;
using Keys = std::vector<std::pair<std::string, std::string>>;

void quantize_convs(Model& model, const std::string& format, Keys keys = {}) {
  set_formats(model, select_formats(model.graph, {{"conv", format, std::move(keys)}}));
}

TEST(ConvFormats, EveryFormatInEveryModePackedOrNot) {
  const Tensor pictures = random_tensor({2, 3, 16, 16}, 1);
  const Model plain = drawn_picture_model();
  const Tensor before = answers(plain, Mode::eager, pictures);
  for (const Format& format : format_table()) {
    // (The weights alone: data on the border of two numbers would fall to either side.)
    Model model = plain;
    quantize_convs(model, format.name, {{"data_in_format", "none"}});
    const Tensor simulated = answers(model, Mode::reference, pictures);
    EXPECT_GT(largest_difference(simulated, before), 0) << format.name;
    const double tolerance = 1e-5 * (1 + largest_magnitude(simulated));
    EXPECT_LT(largest_difference(simulated, answers(model, Mode::eager, pictures)), tolerance)
        << format.name;
    EXPECT_LT(largest_difference(simulated, answers(model, Mode::compiled, pictures)), tolerance)
        << format.name;
    Model packed = model;
    pack_weights(packed);
    check_packed(packed);
    EXPECT_LT(tensor_bytes(packed), tensor_bytes(model)) << format.name;
    for (const Mode mode : {Mode::eager, Mode::compiled})
      EXPECT_LT(largest_difference(simulated, answers(packed, mode, pictures)), tolerance)
          << format.name;
    // The bits hold what was simulated.
    for (const Node& node : model.graph.nodes) {
      if (node.op != "conv") continue;
      const std::string name = model.graph.value(behind(model.graph, node.inputs[1])).name;
      EXPECT_TRUE(same_bits(effective_weight(model, node.inputs[1]),
                            effective_weight(packed, packed.graph.find(name))))
          << format.name << ": " << name;
    }
  }
}

// Of formats with codes of 8 bits packed convolutions run on them.
TEST(ConvFormats, CodesGiveWhatWasSimulated) {
  const Tensor pictures = random_tensor({2, 3, 16, 16}, 1);
  for (const auto& [format, keys] :
       std::vector<std::pair<std::string, Keys>>{{"integer", {{"frac_width", "5"}}},
                                                 {"integer", {{"width", "4"}}},
                                                 {"affine", {{"data_in_scale", "0.03"}}},
                                                 {"affine", {}},
                                                 {"mxint", {}}}) {
    Model model = drawn_picture_model();
    fold_batch_norm(model, convs_of(model.graph));
    quantize_convs(model, format, keys);
    const Tensor simulated = answers(model, Mode::reference, pictures);
    pack_weights(model);
    const Graph graph = make_forward_graph(model, Mode::compiled);
    const auto on_codes = std::count_if(graph.nodes.begin(), graph.nodes.end(),
                                        [](const Node& node) { return node.op == "conv_int8"; });
    // (Of 3 channels a tap has no whole four codes.)
    const bool one_scale = !keys.empty();
    EXPECT_EQ(on_codes, one_scale ? 5 : 4) << format;
    EXPECT_LT(largest_difference(simulated, answers(model, Mode::compiled, pictures)),
              5e-2 * (1 + largest_magnitude(simulated)))
        << format;
  }
}

TEST(ConvFormats, DataIsRoundedByTheChannelsOfAPlace) {
  const Tensor pictures = random_tensor({3, 3, 16, 16}, 1);
  for (const char* format : {"affine", "mxint", "integer", "block_fp"}) {
    Model model = drawn_picture_model();
    quantize_convs(model, format);
    const Tensor together = answers(model, Mode::compiled, pictures);
    for (std::int64_t n = 0; n < 3; ++n) {
      Tensor one(DType::f32, {1, 3, 16, 16});
      std::memcpy(one.as<float>(), pictures.as<float>() + n * one.size(), one.bytes());
      const Tensor alone = answers(model, Mode::compiled, one);
      for (std::int64_t c = 0; c < 3; ++c)
        EXPECT_NEAR(alone.as<float>()[c], together.as<float>()[n * 3 + c], 2e-3) << format;
    }
    bool by_channels = false;
    for (const Node& node : model.graph.nodes)
      by_channels = by_channels || node.attributes.text_or("rows", "") == "channels";
    EXPECT_EQ(by_channels, format != std::string("integer")) << "number by number it needs none";
  }
}

TEST(ConvFormats, SharedScalesAreRefusedInTheWordsOfPictures) {
  Model model = drawn_picture_model();
  const auto formats = select_formats(
      model.graph,
      {{"conv", "affine", {{"data_in_granularity", "tensor"}, {"weight_granularity", "tensor"}}}});
  EXPECT_ERROR(refuse_shared_scales(model.graph, formats), ErrorCode::invalid_argument,
               "share scales among all pictures of a batch", "each place a scale of its own");
}

TEST(ConvFormats, LayersAreProductsWithWeights) {
  const Model model = drawn_picture_model();
  std::set<std::string> ops;
  for (const NodeFormats& node : select_formats(model.graph, {{.format = "mxint"}}))
    ops.insert(model.graph.node(model.graph.find_node(node.node)).op);
  EXPECT_EQ(ops, (std::set<std::string>{"conv", "linear"}));
}

TEST(ConvFormats, BatchNormGoesIntoFiltersForGood) {
  const Tensor pictures = random_tensor({2, 3, 16, 16}, 1);
  for (const char* name : {"small-cnn", "resnet20", "mobilenet_v2"}) {
    Model model = drawn_picture_model(name);
    const Tensor before = answers(model, Mode::reference, pictures);
    const std::set<std::string> convs = convs_of(model.graph);
    EXPECT_EQ(fold_batch_norm(model, std::set<std::string>{*convs.begin()}), 1)
        << "what is asked for";
    EXPECT_EQ(fold_batch_norm(model, convs), std::ssize(convs) - 1);
    EXPECT_EQ(fold_batch_norm(model, convs), 0);
    for (const Node& node : model.graph.nodes) EXPECT_NE(node.op, "batch_norm") << name;
    EXPECT_EQ(convs_of(model.graph), convs);
    const Tensor after = answers(model, Mode::reference, pictures);
    EXPECT_LT(largest_difference(before, after), 1e-5 * (1 + largest_magnitude(before))) << name;
    for (const Value& value : model.graph.values) EXPECT_NE(value.kind, ValueKind::constant);
  }
}

// A filter that two convolutions read through one mask is not the first one's to change.
TEST(ConvFormats, BatchNormStaysWhereFiltersAreShared) {
  Model model;
  model.graph = parse_graph(
      "graph g {\n"
      "  input %x : f32[N,2,4,4]\n"
      "  param %w : f32[2,2,1,1]\n"
      "  buffer %m : u8[2,2,1,1]\n"
      "  param %s : f32[2]\n"
      "  buffer %r : f32[2]\n"
      "  %w.m : f32[2,2,1,1] = mask(%w, %m)\n"
      "  %c : f32[N,2,4,4] = conv(%x, %w.m)\n"
      "  %n : f32[N,2,4,4] = batch_norm(%c, %s, %s, %r, %r)\n"
      "  %d : f32[N,2,4,4] = conv(%n, %w.m)\n"
      "  return d = %d\n"
      "}\n",
      "test");
  model.tensors.set("w", random_tensor({2, 2, 1, 1}, 1));
  model.tensors.set("m", Tensor(DType::u8, {2, 2, 1, 1}));
  for (const char* name : {"s", "r"}) model.tensors.set(name, f32_tensor({2}, {1, 2}));
  EXPECT_EQ(fold_batch_norm(model, std::set<std::string>{"c", "d"}), 0);
}

// Rules of other systems that go by a tensor's shape are asked for the tensor as it is.
TEST(ConvFormats, RulesByShapeSeeFiltersAsTheyAre) {
  Model model = drawn_picture_model();
  const Tensor before = model.tensors.at("level2.0.conv.weight").clone();
  quantize_convs(model, "ternary", {{"rule", "mase"}, {"data_in_format", "none"}});
  const Node& conv = model.graph.node(model.graph.find_node("level2.0.conv"));
  EXPECT_TRUE(same_bits(effective_weight(model, conv.inputs[1]),
                        bind_format("ternary", "mase", {})->quantize(before)));
  const auto blocks = [&] {
    quantize_convs(model, "block_fp", {{"rule", "mase"}, {"data_in_format", "none"}});
    answers(model, Mode::eager, random_tensor({1, 3, 16, 16}, 1));
  };
  EXPECT_ERROR(blocks(), ErrorCode::invalid_argument, "does not block a tensor");
}

// Planes before the first convolution are planes too.
TEST(ConvFormats, PlanesAreKnownFromBothSides) {
  Graph graph = parse_graph(
      "graph g {\n"
      "  input %x : f32[N,2,4,4]\n"
      "  param %w : f32[2,2,1,1]\n"
      "  %r : f32[N,2,4,4] = relu(%x)\n"
      "  %s : f32[N,2,4,4] = add(%r, %x)\n"
      "  %c : f32[N,2,4,4] = conv(%s, %w)\n"
      "  %t : f32[N,4,4,2] = transpose(%c) {order = \"0,2,3,1\"}\n"
      "  return t = %t\n"
      "}\n",
      "test");
  for (const char* name : {"x", "r", "s", "c"})
    EXPECT_EQ(rows_of(graph, graph.find(name)), TensorRows::channels) << name;
  EXPECT_EQ(rows_of(graph, graph.find("w")), TensorRows::filters);
  EXPECT_EQ(rows_of(graph, graph.find("t")), TensorRows::last);
}

// What is pruned and packed runs on codes as well.
TEST(ConvFormats, MaskedFiltersRunOnCodes) {
  const Tensor pictures = random_tensor({2, 3, 16, 16}, 1);
  Model model = drawn_picture_model();
  fold_batch_norm(model, convs_of(model.graph));
  Tensor mask(DType::u8, model.tensors.at("level2.0.conv.weight").shape());
  for (std::int64_t i = 0; i < mask.size(); ++i) mask.as<std::uint8_t>()[i] = i % 3 != 0;
  set_masks(model, {{"level2.0.conv.weight", mask}});
  quantize_convs(model, "affine", {{"data_in_scale", "0.03"}});
  const Tensor simulated = answers(model, Mode::reference, pictures);
  pack_weights(model);
  const Graph graph = make_forward_graph(model, Mode::compiled);
  EXPECT_EQ(std::count_if(graph.nodes.begin(), graph.nodes.end(),
                          [](const Node& node) { return node.op == "conv_int8"; }),
            5);
  EXPECT_LT(largest_difference(simulated, answers(model, Mode::compiled, pictures)),
            5e-2 * (1 + largest_magnitude(simulated)));
}

TEST(ConvFormats, BatchNormStaysWhereItsConvolutionIsReadTwice) {
  Model model = drawn_picture_model();
  for (const Node& node : std::vector<Node>(model.graph.nodes))
    if (node.op == "batch_norm") {
      model.graph.outputs.emplace_back("seen", node.inputs[0]);
      break;
    }
  const std::set<std::string> convs = convs_of(model.graph);
  EXPECT_EQ(fold_batch_norm(model, convs), std::ssize(convs) - 1);
}

}  // namespace
}  // namespace hone_test
