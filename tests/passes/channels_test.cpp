// Channels of planes: which go together, masks that drop them, and networks without them that
// answer the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hone/graph/text.hpp"
#include "hone/passes/prune.hpp"
#include "hone/passes/remove.hpp"
#include "hone/sparsity/pruner.hpp"
#include "support/compare_models.hpp"
#include "support/expect_error.hpp"
#include "support/picture_model.hpp"

namespace hone_test {
namespace {

using namespace hone;

constexpr MaskGranularity by_channel{MaskGranularity::Kind::channel, 0, 0};

// Drops that share of the channels, the smallest first.
std::size_t prune_channels(Model& model, double sparsity, const std::string& nodes = "conv") {
  const std::vector<std::string> names =
      weights_of_nodes(model.graph, prunable_nodes(model.graph, nodes));
  std::vector<ScoredWeight> scored;
  for (const std::string& name : names)
    scored.push_back({name, score_weight(find_pruner("l1"), {.weight = model.tensors.at(name)})});
  const auto families = structures_of(model.graph, by_channel.kind, names);
  const std::vector<Tensor> made =
      make_masks(scored, {.sparsity = sparsity, .granularity = by_channel}, families);
  std::map<std::string, Tensor> masks;
  for (std::size_t i = 0; i < names.size(); ++i) masks[names[i]] = made[i];
  set_masks(model, masks);
  return families.size();
}

TEST(Channels, NetworksWithoutThemAnswerTheSame) {
  const Tensor pictures = random_tensor({2, 3, 16, 16}, 1);
  // Families: every convolution but those whose planes are added to something or classified; of
  // mobilenet's blocks the wide planes, with their depthwise filters.
  const std::map<std::string, std::size_t> families{
      {"small-cnn", 4}, {"resnet20", 9}, {"mobilenet_v2", 19}};
  for (const auto& [name, count] : families)
    for (const double sparsity : {0.25, 0.9}) {
      Model model = drawn_picture_model(name);
      EXPECT_EQ(prune_channels(model, sparsity), count) << name;
      Model smaller = model;
      const Removal removal = remove_structures(smaller);
      EXPECT_EQ(removal.channels.size(), count) << name;
      for (const Removal::Part& part : removal.channels)
        EXPECT_EQ(part.before - part.after,
                  std::floor(sparsity * static_cast<double>(part.before) + 0.5))
            << name << ": " << part.node;
      EXPECT_LT(removal.parameters_after, removal.parameters_before);
      for (const Mode mode : {Mode::eager, Mode::compiled}) {
        const Tensor masked = answers(model, mode, pictures);
        EXPECT_LT(largest_difference(masked, answers(smaller, mode, pictures)),
                  1e-5 * (1 + largest_magnitude(masked)))
            << name << " at " << sparsity;
      }
    }
}

TEST(Channels, OneIsLeft) {
  const Tensor pictures = random_tensor({1, 3, 16, 16}, 1);
  Model model = drawn_picture_model();
  std::map<std::string, Tensor> masks;
  // All that level2.1 reads is zero.
  masks["level2.1.conv.weight"] =
      Tensor(DType::u8, model.tensors.at("level2.1.conv.weight").shape());
  set_masks(model, masks);
  Model smaller = model;
  const Removal removal = remove_structures(smaller);
  ASSERT_EQ(removal.channels.size(), 1u);
  EXPECT_EQ(removal.channels[0].after, 1);
  EXPECT_LT(largest_difference(answers(model, Mode::eager, pictures),
                               answers(smaller, Mode::eager, pictures)),
            1e-5);
}

TEST(Channels, StructuresAreSelectedTogether) {
  Model model = drawn_picture_model();
  EXPECT_ERROR(prune_channels(model, 0.5, "level2.0.conv"), ErrorCode::invalid_argument,
               "both belong to", "select them together");
  EXPECT_ERROR(prune_channels(model, 0.5, "linear"), ErrorCode::invalid_argument,
               "hold no channels", "between convolutions");
}

TEST(Channels, NotWhereSomethingIsAddedOrMixed) {
  const Graph graph = parse_graph(
      "graph g {\n"
      "  input %x : f32[N,3,8,8]\n"
      "  param %a : f32[4,3,1,1]\n"
      "  param %b : f32[4,4,1,1]\n"
      "  param %c : f32[4,4,1,1]\n"
      "  param %d : f32[4,4,1,1]\n"
      "  param %e : f32[4,4,1,1]\n"
      "  %p : f32[N,4,8,8] = conv(%x, %a)\n"
      "  %q : f32[N,4,8,8] = conv(%p, %b)\n"
      "  %s : f32[N,4,8,8] = add(%p, %q)\n"
      "  %r : f32[N,4,8,8] = conv(%s, %c)\n"
      "  %m : f32[N,4,8,8] = mul(%r, %r)\n"
      "  %t : f32[N,4,8,8] = conv(%m, %d)\n"
      "  %u : f32[N,4,8,8] = relu(%t)\n"
      "  %v : f32[N,4,8,8] = conv(%u, %e)\n"
      "  return v = %v\n"
      "}\n",
      "test");
  Model model;
  model.graph = graph;
  const auto families =
      structures_of(graph, by_channel.kind, weights_of_nodes(graph, prunable_nodes(graph, "conv")));
  ASSERT_EQ(families.size(), 1u) << "of %t alone";
  EXPECT_EQ(families[0].size(), 4u);
}

}  // namespace
}  // namespace hone_test
