// Masks in models: formats in either order, training, structures.
#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "hone/frontends/hugging_face.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/frontends/safetensors.hpp"
#include "hone/frontends/saved_model.hpp"
#include "hone/graph/op.hpp"
#include "hone/graph/text.hpp"
#include "hone/passes/learned_steps.hpp"
#include "hone/passes/packing.hpp"
#include "hone/passes/prune.hpp"
#include "hone/passes/select_formats.hpp"
#include "hone/sparsity/pruner.hpp"
#include "hone/train/trainer.hpp"
#include "support/compare_models.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"
#include "support/small_bert.hpp"

namespace hone_test {
namespace {

using namespace hone;

// Masks by magnitude.
std::map<std::string, Tensor> masks_by(const Model& model, double sparsity,
                                       const std::string& nodes = "",
                                       const std::string& granularity = "element") {
  const std::vector<std::string> weights =
      weights_of_nodes(model.graph, prunable_nodes(model.graph, nodes));
  MaskOptions options;
  options.sparsity = sparsity;
  options.granularity = parse_mask_granularity(granularity);
  std::vector<ScoredWeight> scored;
  for (const std::string& name : weights)
    scored.push_back(
        {name, score_weight(find_pruner("l1"), {model.tensors.at(name), nullptr, nullptr})});
  std::vector<std::vector<MaskGroup>> families;
  if (options.granularity.is_structural())
    families = structures_of(model.graph, options.granularity.kind, weights);
  const std::vector<Tensor> masks = make_masks(scored, options, families);
  std::map<std::string, Tensor> made;
  for (std::size_t i = 0; i < weights.size(); ++i) made[weights[i]] = masks[i];
  return made;
}

void mask_by(Model& model, double sparsity, const std::string& nodes = "",
             const std::string& granularity = "element") {
  set_masks(model, masks_by(model, sparsity, nodes, granularity));
}

// A plain model whose weights are zero where masks drop them, by hand.
TEST(PrunedModels, GiveWhatZerosGive) {
  const TokenizedData data = random_sequences(20);
  Model masked = small_bert();
  const auto masks = masks_by(masked, 0.6);
  Model zeroed = small_bert();
  for (const auto& [name, mask] : masks) {
    zeroed.tensors.at(name) = zeroed.tensors.at(name).clone();
    for (std::int64_t i = 0; i < mask.size(); ++i)
      if (mask.as<std::uint8_t>()[i] == 0) zeroed.tensors.at(name).as<float>()[i] = 0;
  }
  set_masks(masked, masks);
  EXPECT_EQ(masks_of(masked.graph).size(), 13u) << "two layers of six, and the pooler";
  EXPECT_EQ(masks_of(masked.graph).count(head_weight(masked)), 0u);
  for (const Mode mode : {Mode::reference, Mode::eager, Mode::compiled})
    EXPECT_TRUE(same_bits(logits_of(masked, data, mode), logits_of(zeroed, data, mode)));
  // The mask decides, not the number behind it, even one that is none.
  Tensor& weight = masked.tensors.at(query_weight);
  for (std::int64_t i = 0; i < weight.size(); ++i)
    if (masks.at(query_weight).as<std::uint8_t>()[i] == 0) weight.as<float>()[i] = std::nanf("");
  EXPECT_TRUE(same_bits(logits_of(masked, data), logits_of(zeroed, data)));
  zero_masked(masked);
  EXPECT_TRUE(same_bits(masked.tensors.at(query_weight), zeroed.tensors.at(query_weight)));
}

TEST(PrunedModels, OtherNodesLaterKeepEarlierMasksAndTheSameAgainReplaces) {
  Model model = small_bert();
  mask_by(model, 0.5, "layer0\\..*");
  const auto first = masks_of(model.graph);
  const Tensor kept = model.tensors.at(mask_name(query_weight)).clone();
  mask_by(model, 0.3, "layer1\\..*");
  EXPECT_EQ(masks_of(model.graph).size(), 2 * first.size());
  EXPECT_TRUE(same_bits(model.tensors.at(mask_name(query_weight)), kept));
  const std::size_t nodes = model.graph.nodes.size();
  mask_by(model, 0.8, "layer0\\..*");
  EXPECT_EQ(model.graph.nodes.size(), nodes);
  EXPECT_NEAR(mask_sparsity(model.tensors.at(mask_name(query_weight))), 0.8, 1e-3);
  // A mask that drops nothing goes; what is left is the plain graph with its zeros.
  mask_by(model, 0.0, "linear");
  EXPECT_TRUE(masks_of(model.graph).empty());
  EXPECT_TRUE(same_computation(model.graph, small_bert().graph));
}

class MaskedFormats : public testing::TestWithParam<std::string> {};

// In whichever order, and after saving and loading: the same bits.
TEST_P(MaskedFormats, EitherOrderGivesTheSameModel) {
  const ScratchDirectory scratch;
  Model a = small_bert();
  const auto masks = masks_by(a, 0.5);
  const Quantization formats = linear_formats(a, GetParam());
  set_masks(a, masks);
  set_formats(a, formats);
  Model b = small_bert();
  set_formats(b, formats);
  set_masks(b, masks);
  expect_equal_models(a, b);
  save_model(scratch.path() / "a", a, a.tensors);
  save_model(scratch.path() / "b", b, b.tensors);
  const Model loaded = load_model({.name = (scratch.path() / "a").string()});
  expect_equal_models(loaded, load_model({.name = (scratch.path() / "b").string()}));
  expect_equal_models(loaded, a);
  // Packed bits hold the zeros.
  const TokenizedData data = random_sequences(12);
  const Tensor simulated = logits_of(a, data, Mode::eager);
  pack_weights(a);
  EXPECT_TRUE(same_bits(logits_of(a, data, Mode::eager), simulated));
  const Node& node = a.graph.node(a.graph.find_node("layer0.q"));
  const Tensor read = effective_weight(a, node.inputs[1]);
  for (std::int64_t i = 0; i < read.size(); ++i)
    if (masks.at(query_weight).as<std::uint8_t>()[i] == 0) ASSERT_EQ(read.as<float>()[i], 0.0f);
  save_model(scratch.path() / "p", a, a.tensors);
  expect_equal_models(load_model({.name = (scratch.path() / "p").string()}), a);
}

INSTANTIATE_TEST_SUITE_P(Formats, MaskedFormats,
                         testing::Values("integer", "mxint", "affine", "minifloat_ieee", "mxfp",
                                         "block_fp", "ternary"),
                         [](const auto& instance) { return instance.param; });

TEST(PrunedModels, TrainedStepsOfFormatsStay) {
  Model model = small_bert();
  set_formats(model, linear_formats(model, "affine", {{"width", "4"}, {"learned_step", "true"}}));
  add_learned_steps(model, {});
  const std::vector<LearnedStep> before = learned_steps(model.graph);
  ASSERT_FALSE(before.empty());
  std::map<std::string, float> steps;
  for (const LearnedStep& step : before) {
    model.tensors.at(step.parameter).as<float>()[0] = 0.01f * static_cast<float>(steps.size() + 1);
    steps[step.parameter] = model.tensors.at(step.parameter).as<float>()[0];
  }
  mask_by(model, 0.5);
  prune_data(model, {"layer0.q"}, {.sparsity = 0.5});
  EXPECT_EQ(learned_steps(model.graph).size(), before.size() + 1)
      << "query reads other data than key and value now";
  int kept = 0;
  for (const auto& [name, value] : steps)
    kept += model.tensors.contains(name) && model.tensors.at(name).as<float>()[0] == value;
  EXPECT_EQ(kept, static_cast<int>(before.size()));
}

TEST(PrunedModels, PackedModelsAreUnpackedAndPackedAgain) {
  Model packed = small_bert();
  const Quantization formats =
      linear_formats(packed, "integer", {{"width", "8"}, {"frac_width", "6"}});
  Model simulated = small_bert();
  set_formats(packed, formats);
  pack_weights(packed);
  set_formats(simulated, formats);
  const auto masks = masks_by(simulated, 0.5);
  set_masks(packed, masks);
  EXPECT_TRUE(is_packed(packed.graph));
  // Numbers of this format are themselves once rounded: the bits are those of masking first.
  set_masks(simulated, masks);
  pack_weights(simulated);
  expect_equal_models(packed, simulated);
}

TEST(PrunedModels, FormatsWithoutZeroAreRefusedInEitherOrder) {
  for (const char* format : {"binary", "binary_scaling"}) {
    Model model = small_bert();
    mask_by(model, 0.5);
    const std::string before = print_graph(model.graph);
    const std::size_t tensors = model.tensors.names().size();
    Model tried = model;
    EXPECT_ERROR(set_formats(tried, linear_formats(tried, format)), ErrorCode::invalid_argument,
                 format);
    Model other = small_bert();
    set_formats(other, linear_formats(other, format));
    const std::string graph = print_graph(other.graph);
    EXPECT_ERROR(mask_by(other, 0.5), ErrorCode::invalid_argument, format);
    EXPECT_EQ(print_graph(other.graph), graph) << "the model stays as it was";
    EXPECT_EQ(print_graph(model.graph), before);
    EXPECT_EQ(model.tensors.names().size(), tensors);
  }
}

TEST(PrunedModels, MasksThatDoNotFitAreRefused) {
  Model model = small_bert();
  EXPECT_ERROR(set_masks(model, {{query_weight, Tensor(DType::u8, {3, 3})}}),
               ErrorCode::invalid_argument, query_weight);
  EXPECT_ERROR(set_masks(model, {{query_weight, Tensor(DType::f32, {36, 36})}}),
               ErrorCode::invalid_argument, "expected u8");
  EXPECT_ERROR(set_masks(model, {{"nothing", Tensor(DType::u8, {3, 3})}}),
               ErrorCode::invalid_argument, "nothing");
  EXPECT_TRUE(masks_of(model.graph).empty());
}

// As what a damaged or foreign file holds.
TEST(PrunedModels, SavedMasksThatDoNotFitAreRefused) {
  const ScratchDirectory scratch;
  Model model = small_bert();
  mask_by(model, 0.5);
  save_model(scratch.path() / "m", model, model.tensors);
  const std::filesystem::path file = scratch.path() / "m/hone_model.safetensors";
  const TensorStore stored = read_safetensors(file);
  for (const Tensor& mask : {Tensor(DType::u8, {36, 35}), Tensor(DType::f32, {36, 36}), Tensor()}) {
    TensorStore other;
    for (const std::string& name : stored.names())
      if (name.rfind(mask_name(query_weight), 0) != 0) other.set(name, stored.at(name).clone());
    if (!mask.empty()) other.set(mask_name(query_weight), mask);
    write_safetensors(file, other);
    EXPECT_ERROR(load_model({.name = (scratch.path() / "m").string()}), ErrorCode::bad_format,
                 mask_name(query_weight));
  }
}

TrainOptions few_steps(const std::string& optimizer) {
  TrainOptions options;
  options.steps = 8;
  options.batch = 4;
  options.lr = 0.01;
  options.optimizer_options.set("weight_decay", 0.1);
  options.optimizer = optimizer;
  if (optimizer == "sgd") options.optimizer_options.set("momentum", 0.9);
  options.checkpoint_every = 1;
  return options;
}

TEST(PrunedModels, TrainingKeepsZerosAndMasks) {
  const ThreadScope threads(1);
  const TokenizedData data = random_sequences(16);
  for (const std::string optimizer : {"adamw", "sgd"})
    for (const std::int64_t accumulate : {1, 2}) {
      SCOPED_TRACE(optimizer + " " + std::to_string(accumulate));
      const ScratchDirectory scratch;
      Model model = small_bert();
      mask_by(model, 0.5);
      Model trained = model;
      trained.tensors = model.tensors.clone();
      TrainOptions options = few_steps(optimizer);
      options.accumulate = accumulate;
      train(trained, text_samples(data), nullptr, options, scratch.path() / "out", false, nullptr,
            {}, {});
      int moved = 0;
      for (const auto& [weight, mask] : masks_of(trained.graph)) {
        EXPECT_TRUE(same_bits(trained.tensors.at(mask), model.tensors.at(mask)));
        const Tensor& before = model.tensors.at(weight);
        const Tensor& after = trained.tensors.at(weight);
        for (std::int64_t i = 0; i < after.size(); ++i) {
          if (model.tensors.at(mask).as<std::uint8_t>()[i] == 0)
            ASSERT_EQ(after.as<float>()[i], 0.0f) << weight << " " << i;
          else
            moved += before.as<float>()[i] != after.as<float>()[i];
        }
      }
      EXPECT_GT(moved, 1000);
      // What is saved is the masked model.
      const Model saved = load_model({.name = (scratch.path() / "out").string()});
      EXPECT_EQ(print_graph(saved.graph), print_graph(model.graph));
      EXPECT_TRUE(same_bits(saved.tensors.at(query_weight), trained.tensors.at(query_weight)));
    }
}

TEST(PrunedModels, TrainingResumesBitForBit) {
  const ThreadScope threads(1);
  const TokenizedData data = random_sequences(16);
  Model start = small_bert();
  mask_by(start, 0.5);
  prune_data(start, {"layer0.q", "layer0.k", "layer1.wide"}, {.sparsity = 0.25});
  const auto run = [&](const std::filesystem::path& out, std::int64_t stop_after, bool resume) {
    Model model = start;
    model.tensors = start.tensors.clone();
    TrainEvents events;
    std::int64_t steps = 0;
    events.stop = [&, stop_after] { return ++steps == stop_after; };
    train(model, text_samples(data), nullptr, few_steps("adamw"), out, resume, nullptr, events, {});
    return model;
  };
  const ScratchDirectory scratch;
  const Model whole = run(scratch.path() / "whole", -1, false);
  run(scratch.path() / "parts", 3, false);
  const Model parts = run(scratch.path() / "parts", -1, true);
  expect_equal_models(whole, parts);
}

// Half of the heads: the attention gives nothing through them, whatever their rows hold.
TEST(PrunedModels, HeadsAndNeuronsGoWhole) {
  const TokenizedData data = random_sequences(20);
  for (const char* granularity : {"head", "neuron"}) {
    SCOPED_TRACE(granularity);
    Model model = small_bert();
    const bool heads = std::string(granularity) == "head";
    const std::string nodes = heads ? ".*attention\\.(self|output).*weight" : ".*dense.weight";
    mask_by(model, heads ? 1.0 / 3 : 0.5, heads ? nodes : "", granularity);
    EXPECT_EQ(masks_of(model.graph).size(), heads ? 8u : 4u);
    // By hand: only what reads a structure forgets it.
    Model columns = small_bert();
    for (int layer = 0; layer < 2; ++layer) {
      const std::string prefix = "bert.encoder.layer." + std::to_string(layer);
      const std::string rows =
          prefix + (heads ? ".attention.self.query.weight" : ".intermediate.dense.weight");
      const std::string reader =
          prefix + (heads ? ".attention.output.dense.weight" : ".output.dense.weight");
      const Tensor& gone = model.tensors.at(mask_name(rows));
      Tensor& w = columns.tensors.at(reader);
      w = w.clone();
      const std::int64_t n = w.shape()[1];
      std::int64_t dropped = 0;
      for (std::int64_t c = 0; c < n; ++c) {
        if (gone.as<std::uint8_t>()[c * gone.shape()[1]] != 0) continue;
        ++dropped;
        for (std::int64_t r = 0; r < w.shape()[0]; ++r) w.as<float>()[r * n + c] = 0;
      }
      EXPECT_EQ(dropped, heads ? 12 : 25) << "one of three heads of twelve, half of fifty neurons";
    }
    EXPECT_LT(largest_difference(logits_of(model, data), logits_of(columns, data)), 1e-6);
  }
}

TEST(PrunedModels, StructuresAreFoundOrRefused) {
  const Model model = small_bert();
  EXPECT_ERROR(masks_by(model, 0.3, "layer0.q", "head"), ErrorCode::invalid_argument,
               "is selected");
  EXPECT_ERROR(masks_by(model, 0.3, "bert.pooler.dense", "neuron"), ErrorCode::invalid_argument,
               "hold no neurons");
  const auto layers = masks_by(model, 0.5, "", "layer");
  int whole = 0;
  for (const auto& [name, mask] : layers) whole += dropped_count(mask) == mask.size();
  EXPECT_EQ(whole, 6) << "all weights of one of two layers";
  EXPECT_ERROR(masks_by(model, 1.0, "", "layer"), ErrorCode::invalid_argument, "no layer at all");
}

}  // namespace
}  // namespace hone_test
