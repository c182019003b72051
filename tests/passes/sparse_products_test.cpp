// Which products of masked weights run on what is left: by what is left and how it lies, and always
// as the lowered graph has it.
#include "hone/passes/sparse_products.hpp"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hone/core/philox.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/passes/packing.hpp"
#include "hone/passes/prune.hpp"
#include "hone/passes/select_formats.hpp"
#include "hone/run/forward.hpp"
#include "hone/train/evaluate.hpp"
#include "support/small_bert.hpp"

namespace hone_test {
namespace {

using namespace hone;
using testing::HasSubstr;

Tensor weight_where(std::int64_t n, std::int64_t k,
                    const std::function<bool(std::int64_t, std::int64_t)>& keep) {
  Tensor weight(DType::f32, {n, k});
  for (std::int64_t r = 0; r < n; ++r)
    for (std::int64_t c = 0; c < k; ++c) weight.as<float>()[r * k + c] = keep(r, c) ? 0.5f : 0.0f;
  return weight;
}

TEST(SparseProducts, ByDensityAndByBlocks) {
  // Scattered: one of sixteen pays, half of all does not pay.
  const auto scattered = [](std::int64_t of) {
    return [of](std::int64_t r, std::int64_t c) { return (5 * r + c) % of == 0; };
  };
  const SparseChoice few = choose_sparse(weight_where(64, 768, scattered(16)));
  EXPECT_GT(few.group, 0);
  EXPECT_DOUBLE_EQ(few.density, 1.0 / 16);
  EXPECT_DOUBLE_EQ(few.stored, few.group == 1 ? few.density : 4 * few.density);
  EXPECT_THAT(few.reason, HasSubstr("of the time of the dense product"));
  const SparseChoice half = choose_sparse(weight_where(64, 768, scattered(2)));
  EXPECT_EQ(half.group, 0);
  EXPECT_THAT(half.reason, HasSubstr("density 0.5, dense is as fast"));
  // Half of all, in blocks of four rows: pays, and stores no zero.
  const SparseChoice blocks = choose_sparse(weight_where(
      64, 768, [](std::int64_t r, std::int64_t c) { return (r / 4 + c / 4) % 2 == 0; }));
  EXPECT_EQ(blocks.group, 4);
  EXPECT_DOUBLE_EQ(blocks.stored, 0.5);
  // Fewer numbers never cost more.
  double before = 0;
  for (const std::int64_t of : {64, 32, 16, 8, 4, 2, 1}) {
    const double cost = choose_sparse(weight_where(32, 256, scattered(of))).cost;
    EXPECT_GE(cost, before);
    before = cost;
  }
  EXPECT_EQ(choose_sparse(weight_where(7, 768, scattered(16))).group, 1) << "no groups of four";
  EXPECT_EQ(choose_sparse(weight_where(8, 768, [](auto, auto) { return false; })).density, 0);
  EXPECT_EQ(choose_sparse(Tensor(DType::f32, {0, 8})).group, 0);
}

// A wide enough model that products pay.
Model wide_bert() {
  ModelRequest request;
  request.name = "bert-tiny";
  request.settings = {{"num_hidden_layers", "1"}, {"vocab_size", "1100"}};
  request.label_names = {"low", "middle", "high"};
  return load_model(request);
}

Tensor mask_where(const Tensor& weight,
                  const std::function<bool(std::int64_t, std::int64_t)>& keep) {
  Tensor mask(DType::u8, weight.shape());
  for (std::int64_t i = 0; i < mask.size(); ++i)
    mask.as<std::uint8_t>()[i] = keep(i / weight.shape()[1], i % weight.shape()[1]);
  return mask;
}

const std::string layer = "bert.encoder.layer.0.";

TEST(SparseProducts, NotesAreWhatTheLoweredGraphHas) {
  Model model = wide_bert();
  const auto mask = [&](const std::string& name, const auto& keep) {
    set_masks(model, {{layer + name, mask_where(model.tensors.at(layer + name), keep)}});
  };
  mask("attention.self.query.weight", [](auto r, auto c) { return (r + 5 * c) % 29 == 0; });
  mask("attention.self.key.weight", [](auto r, auto c) { return (r / 4 + c / 4) % 3 == 0; });
  mask("attention.self.value.weight", [](auto, auto c) { return c % 4 < 2; });
  mask("attention.output.dense.weight", [](auto r, auto) { return r % 3 != 0; });
  mask("intermediate.dense.weight", [](auto, auto c) { return c % 2 == 0; });
  mask("output.dense.weight", [](auto r, auto c) { return (7 * r + c) % 3 != 0; });
  std::map<std::string, ProductNote> notes;
  std::int64_t sparse = 0;
  for (const ProductNote& note : describe_sparse_products(model)) {
    notes[note.node] = note;
    sparse += note.sparse;
  }
  EXPECT_EQ(notes.size(), 8u);
  EXPECT_EQ(notes.at("layer0.q").pattern, "scattered");
  EXPECT_GT(notes.at("layer0.q").choice.group, 0);
  EXPECT_EQ(notes.at("layer0.k").pattern, "blocks 4x4");
  EXPECT_EQ(notes.at("layer0.k").choice.group, 4);
  EXPECT_EQ(notes.at("layer0.v").pattern, "whole columns");
  EXPECT_EQ(notes.at("layer0.projection").pattern, "whole rows");
  EXPECT_FALSE(notes.at("layer0.narrow").sparse);
  EXPECT_THAT(notes.at("layer0.narrow").reason, HasSubstr("dense is as fast"));
  EXPECT_EQ(notes.at("pooler").reason, "no mask");
  EXPECT_FALSE(notes.at("pooler").masked);

  const Graph graph = make_forward_graph(model, Mode::compiled);
  std::map<std::int64_t, int> groups;
  for (const Node& node : graph.nodes)
    if (node.op == "linear_sparse") ++groups[node.attributes.integer("group")];
  EXPECT_EQ(groups[1] + groups[4], sparse);
  EXPECT_EQ(groups[1], notes.at("layer0.q").choice.group == 1 ? 1 : 0);
  // And they give what dense products with masks give.
  const TokenizedData data = random_sequences(12);
  Executor fast = make_forward(model, Mode::compiled);
  Executor slow = make_forward(model, Mode::reference);
  const Samples samples = text_samples(data);
  const Tensor a = evaluate(fast, samples).logits, b = evaluate(slow, samples).logits;
  for (std::int64_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a.as<float>()[i], b.as<float>()[i], 1e-5);
}

TEST(SparseProducts, TwoOfFourAndPackedWeightsSayWhyNot) {
  Model model = wide_bert();
  const std::string name = layer + "attention.self.query.weight";
  // Two of four at random places.
  RandomStream random(4, 1);
  Tensor mask(DType::u8, model.tensors.at(name).shape());
  for (std::int64_t i = 0; i < mask.size(); i += 4) {
    const std::uint32_t first = random.below(4);
    const std::uint32_t second = (first + 1 + random.below(3)) % 4;
    for (std::uint32_t j = 0; j < 4; ++j)
      mask.as<std::uint8_t>()[i + j] = j == first || j == second;
  }
  set_masks(model, {{name, mask}});
  const auto note_of = [&](const std::string& node) {
    for (const ProductNote& note : describe_sparse_products(model))
      if (note.node == node) return note;
    return ProductNote{};
  };
  EXPECT_EQ(note_of("layer0.q").pattern, "2:4");
  EXPECT_FALSE(note_of("layer0.q").sparse);
  EXPECT_THAT(note_of("layer0.q").reason, HasSubstr("2:4: density 0.5, dense is as fast"));
  set_formats(model, select_formats(model.graph, {{"linear", "mxint", {}}}));
  pack_weights(model);
  EXPECT_THAT(note_of("layer0.q").reason, HasSubstr("packed"));
  EXPECT_TRUE(note_of("layer0.q").masked);
}

// Rounding alone may leave few numbers: those run sparse too, and are said to.
TEST(SparseProducts, RoundedWeightsOfFewNumbers) {
  Model model = wide_bert();
  Tensor& weight = model.tensors.at(layer + "attention.self.query.weight");
  weight = weight.clone();
  for (std::int64_t i = 0; i < weight.size(); ++i)
    weight.as<float>()[i] = i % 29 == 0 ? 1.0f : 0.001f;
  set_formats(model,
              select_formats(model.graph,
                             {{"layer0.q", "integer", {{"width", "8"}, {"frac_width", "4"}}}}));
  const Graph graph = make_forward_graph(model, Mode::compiled);
  std::int64_t lowered = 0, noted = 0;
  for (const Node& node : graph.nodes) lowered += node.op == "linear_sparse";
  for (const ProductNote& note : describe_sparse_products(model)) noted += note.sparse;
  EXPECT_EQ(lowered, noted);
}

}  // namespace
}  // namespace hone_test
