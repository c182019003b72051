// Adapters: what they compute, what they leave alone, and how they are kept.
#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "hone/core/file.hpp"
#include "hone/frontends/adapter.hpp"
#include "hone/frontends/safetensors.hpp"
#include "hone/frontends/saved_model.hpp"
#include "hone/graph/text.hpp"
#include "hone/passes/lora.hpp"
#include "hone/passes/packing.hpp"
#include "hone/passes/prune.hpp"
#include "hone/passes/select_formats.hpp"
#include "hone/recipes/lora_choice.hpp"
#include "hone/run/forward.hpp"
#include "hone/train/checkpoint.hpp"
#include "hone/train/evaluate.hpp"
#include "hone/train/stepper.hpp"
#include "hone/train/trainer.hpp"
#include "support/compare_models.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"
#include "support/small_bert.hpp"

namespace hone_test {
namespace {

using namespace hone;

const std::string query = "bert.encoder.layer.0.attention.self.query";

Tensor answers(const Model& model, Mode mode = Mode::compiled) {
  return logits_of(model, random_sequences(30), mode);
}

// An adapter that has been somewhere: B and the magnitudes are not what they start with.
TensorStore used_adapter(const Model& model, const LoraSettings& settings, std::uint64_t seed = 7) {
  TensorStore tensors = fresh_adapter(model, settings, seed);
  RandomStream random(seed, 5);
  for (const std::string& name : tensors.names()) {
    const bool magnitude = name.ends_with("lora_magnitude_vector");
    if (name.ends_with("lora_A.weight")) continue;
    for (float& value : tensors.at(name).span<float>())
      value = static_cast<float>(magnitude ? value * (1 + 0.3 * random.uniform())
                                           : 0.2 * random.normal());
  }
  return tensors;
}

LoraSettings kind(const std::string& name) {
  LoraSettings settings{.rank = 3, .alpha = 5};
  settings.targets = "query,value,dense";
  settings.rank_stabilized = name == "rslora";
  settings.magnitude = name == "dora";
  return settings;
}

Model adapted(const LoraSettings& settings) {
  Model model = small_bert();
  add_adapter(model, settings, used_adapter(model, settings));
  return model;
}

TrainOptions few_steps() {
  TrainOptions options;
  options.lr = 1e-2;
  options.batch = 4;
  options.steps = 8;
  options.schedule = "constant";
  options.seed = 3;
  return options;
}

class EveryKind : public testing::TestWithParam<std::string> {};

TEST_P(EveryKind, AFreshAdapterChangesNoBit) {
  const Model plain = small_bert();
  Model model = small_bert();
  const LoraSettings settings = kind(GetParam());
  add_adapter(model, settings, fresh_adapter(model, settings, 1));
  EXPECT_GE(model.graph.nodes.size(), plain.graph.nodes.size() + 8);
  // DoRA multiplies by m / |w|, which is one but for rounding.
  for (const Mode mode : {Mode::compiled, Mode::eager, Mode::reference}) {
    if (settings.magnitude)
      EXPECT_LT(largest_difference(answers(model, mode), answers(plain, mode)), 1e-6);
    else
      EXPECT_TRUE(same_bits(answers(model, mode), answers(plain, mode)));
  }
}

TEST_P(EveryKind, MergedEqualsAdapted) {
  const Model plain = small_bert();
  Model model = adapted(kind(GetParam()));
  EXPECT_FALSE(is_plain(model));
  const Tensor before = answers(model);
  EXPECT_GT(largest_difference(before, answers(plain)), 1e-2);
  EXPECT_LT(largest_difference(before, answers(model, Mode::reference)), 1e-5);
  merge_adapters(model, {});
  EXPECT_TRUE(is_plain(model));
  EXPECT_EQ(model.tensors.names(), plain.tensors.names());
  EXPECT_LT(largest_difference(answers(model), before), 1e-6);
  const ScratchDirectory scratch;
  save_model(scratch.path() / "m", model, model.tensors);
  EXPECT_TRUE(std::filesystem::exists(scratch.path() / "m/model.safetensors"));
  EXPECT_TRUE(
      same_bits(answers(load_model({.name = (scratch.path() / "m").string()})), answers(model)));
  EXPECT_ERROR(merge_adapters(model, {}), ErrorCode::invalid_argument, "no adapter to merge");
}

TEST_P(EveryKind, TrainingMovesTheAdapterAlone) {
  const ScratchDirectory scratch;
  Model model = small_bert();
  LoraSettings settings = kind(GetParam());
  settings.trained = {"classifier"};
  settings.dropout = 0.1;
  settings.targets = "";
  add_adapter(model, settings, fresh_adapter(model, settings, 1));
  const TensorStore before = model.tensors.clone();
  train(model, text_samples(random_sequences(40)), nullptr, few_steps(), scratch.path() / "run",
        false, nullptr, {}, {});
  int moved = 0;
  for (const std::string& name : before.names()) {
    const bool trained =
        name.find("lora_") != std::string::npos || name.rfind("classifier", 0) == 0;
    EXPECT_EQ(same_bits(before.at(name), model.tensors.at(name)), !trained) << name;
    moved += trained ? 1 : 0;
  }
  EXPECT_EQ(moved, settings.magnitude ? 14 : 10);
  // Optimizer states and the state of the run are those of what is trained.
  const TensorStore state = load_state(scratch.path() / "run/last");
  EXPECT_EQ(static_cast<int>(state.names().size()), 3 * moved);
  for (const std::string& name : state.names())
    EXPECT_TRUE(name.find("lora_") != std::string::npos || name.rfind("classifier", 0) == 0)
        << name;
}

TEST_P(EveryKind, SavedLoadedAndReadByItself) {
  const ScratchDirectory scratch;
  Model base = small_bert();
  save_model(scratch.path() / "base", base, base.tensors);
  base = load_model({.name = (scratch.path() / "base").string()});
  const LoraSettings settings = kind(GetParam());
  Model model = base;
  add_adapter(model, settings, used_adapter(base, settings));
  save_model(scratch.path() / "m", model, model.tensors);
  const Model loaded = load_model({.name = (scratch.path() / "m").string()});
  EXPECT_TRUE(same_bits(answers(loaded), answers(model)));
  EXPECT_EQ(print_graph(loaded.graph), print_graph(model.graph));
  EXPECT_TRUE(loaded.report.unused.empty());
  // The same folder is an adapter of PEFT; alone it is one too, with the base that it names.
  std::filesystem::create_directories(scratch.path() / "a");
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors"})
    std::filesystem::copy_file(scratch.path() / "m" / name, scratch.path() / "a" / name);
  const Model alone = load_model({.name = (scratch.path() / "a").string()});
  EXPECT_TRUE(same_bits(answers(alone), answers(model)));
  const TensorStore files = read_safetensors(scratch.path() / "a/adapter_model.safetensors");
  EXPECT_TRUE(files.contains("base_model.model." + query + ".lora_A.weight"));
  EXPECT_EQ(files.contains("base_model.model." + query + ".lora_magnitude_vector"),
            settings.magnitude);
  const Adapter read = adapters_of(alone.graph).at(0);
  EXPECT_EQ(read.settings.rank_stabilized, settings.rank_stabilized);
  EXPECT_EQ(read.settings.alpha, settings.alpha);
  EXPECT_EQ(read.settings.targets, "query,value,dense");
  // Saved over, what is plain leaves no adapter behind.
  save_model(scratch.path() / "m", base, base.tensors);
  EXPECT_FALSE(std::filesystem::exists(scratch.path() / "m/adapter_config.json"));
}

INSTANTIATE_TEST_SUITE_P(Lora, EveryKind, testing::Values("lora", "rslora", "dora"),
                         [](const auto& instance) { return instance.param; });

// The factor of each layer is alpha / rank with the alpha that the pattern gives it, here and in
// the files.
TEST(LoraFiles, EachLayerMayHaveAnAlphaOfItsOwn) {
  const ScratchDirectory scratch;
  Model base = small_bert();
  save_model(scratch.path() / "base", base, base.tensors);
  base = load_model({.name = (scratch.path() / "base").string()});
  LoraSettings settings = kind("lora");
  const TensorStore numbers = used_adapter(base, settings);
  settings.alphas = {{"encoder\\.layer\\.0\\..*query", 3.0}, {"value", 7.0}};
  Model model = base;
  add_adapter(model, settings, numbers);
  const Adapter adapter = adapters_of(model.graph).at(0);
  for (const AdaptedLayer& layer : adapter.layers)
    EXPECT_EQ(layer.alpha, layer.layer == query              ? 3.0
                           : layer.layer.ends_with(".value") ? 7.0
                                                             : settings.alpha)
        << layer.layer;
  const Model plain = [&] {
    Model one = base;
    add_adapter(one, kind("lora"), numbers);
    merge_adapters(one, {});
    return one;
  }();
  Model merged = model;
  merge_adapters(merged, {});
  const auto added = [&](const Model& of) {
    return of.tensors.at(query + ".weight").as<float>()[5] -
           base.tensors.at(query + ".weight").as<float>()[5];
  };
  EXPECT_NEAR(added(merged), added(plain) * 3.0 / settings.alpha, 1e-6);
  save_model(scratch.path() / "m", model, model.tensors);
  EXPECT_NE(read_file(scratch.path() / "m/adapter_config.json").find("\"alpha_pattern\""),
            std::string::npos);
  std::filesystem::create_directories(scratch.path() / "a");
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors"})
    std::filesystem::copy_file(scratch.path() / "m" / name, scratch.path() / "a" / name);
  const Model alone = load_model({.name = (scratch.path() / "a").string()});
  EXPECT_TRUE(same_bits(answers(alone), answers(model)));
  settings.alphas = {{"(", 3.0}};
  EXPECT_ERROR(add_adapter(model, settings, numbers), ErrorCode::invalid_argument,
               "alpha_pattern '(' is neither a name nor a regular expression");
}

// The whole run, and one that was stopped and went on; best/ and --out hold the adapter.
TEST(LoraTraining, ResumesBitForBit) {
  const ScratchDirectory scratch;
  const TokenizedData data = random_sequences(40), held_out = random_sequences(12, 9);
  const Samples validation = text_samples(held_out);
  const auto run = [&](const std::string& out, bool resume, int stop_after) {
    Model model = small_bert();
    LoraSettings settings = kind("dora");
    settings.dropout = 0.2;
    add_adapter(model, settings, fresh_adapter(model, settings, 1));
    int steps = 0;
    TrainEvents events;
    events.on_step = [&](const StepReport&) { ++steps; };
    events.stop = [&] { return stop_after > 0 && steps >= stop_after; };
    train(model, text_samples(data), &validation, few_steps(), scratch.path() / out, resume,
          nullptr, events, {});
    return model;
  };
  const Model whole = run("whole", false, 0);
  run("parts", false, 3);
  const Model parts = run("parts", true, 0);
  for (const std::string& name : whole.tensors.names())
    EXPECT_TRUE(same_bits(whole.tensors.at(name), parts.tensors.at(name))) << name;
  for (const char* place : {"whole", "whole/best", "whole/last"}) {
    const Model saved = load_model({.name = (scratch.path() / place).string()});
    EXPECT_TRUE(has_adapters(saved.graph)) << place;
    EXPECT_TRUE(std::filesystem::exists(scratch.path() / place / "adapter_model.safetensors"));
  }
  // A base that became another one is noticed before anything is trained.
  Model other = whole;
  other.tensors.set(query + ".weight", Tensor(DType::f32, {36, 36}));
  EXPECT_ERROR(
      check_resume(other, text_samples(data), &validation, few_steps(), scratch.path() / "whole"),
      ErrorCode::invalid_argument, query + ".weight', which is frozen");
}

Quantization eight_bits(const Model& model) {
  return select_formats(model.graph,
                        {{"linear", "integer", {{"width", "8"}, {"frac_width", "5"}}}});
}

TEST(LoraOnFormats, TrainsOverPackedWeights) {
  const ScratchDirectory scratch;
  Model model = small_bert();
  set_formats(model, eight_bits(model));
  pack_weights(model);
  const Quantization formats = formats_of(model.graph);
  const LoraSettings settings = kind("lora");
  add_adapter(model, settings, fresh_adapter(model, settings, 1));
  EXPECT_EQ(formats_of(model.graph), formats);
  const TensorStore before = model.tensors.clone();
  const Tensor logits = answers(model);
  train(model, text_samples(random_sequences(40)), nullptr, few_steps(), scratch.path() / "run",
        false, nullptr, {}, {});
  EXPECT_GT(largest_difference(answers(model), logits), 1e-3);
  EXPECT_TRUE(same_bits(before.at(codes_name(query + ".weight")),
                        model.tensors.at(codes_name(query + ".weight"))));
  Model loaded = load_model({.name = (scratch.path() / "run").string()});
  EXPECT_TRUE(is_packed(loaded.graph));
  EXPECT_TRUE(same_bits(answers(loaded), answers(model)));
  EXPECT_ERROR(merge_adapters(loaded, {}), ErrorCode::invalid_argument, "the base is packed",
               "--dequantize");
  EXPECT_TRUE(has_adapters(loaded.graph)) << "refused, the model stays as it was";
  Model unpacked = loaded;
  set_formats(unpacked, {});
  merge_adapters(loaded, {.dequantize = true});
  EXPECT_TRUE(is_plain(loaded));
  EXPECT_LT(largest_difference(answers(loaded), answers(unpacked)), 1e-6);
}

// Formats and adapters give the same model in either order; unpacked, a base stays frozen.
TEST(LoraOnFormats, InEitherOrder) {
  for (const char* name : {"lora", "dora"}) {
    const LoraSettings settings = kind(name);
    Model first = small_bert();
    const TensorStore tensors = used_adapter(first, settings);
    Model second = first;
    set_formats(first, eight_bits(first));
    add_adapter(first, settings, tensors);
    add_adapter(second, settings, tensors);
    set_formats(second, eight_bits(second));
    EXPECT_EQ(print_graph(first.graph), print_graph(second.graph)) << name;
    EXPECT_TRUE(same_bits(answers(first), answers(second))) << name;
    pack_weights(second);
    unpack_weights(second);
    EXPECT_TRUE(second.graph.value(second.graph.find(query + ".weight")).frozen);
  }
}

TEST(LoraOnMasks, MergesOnlyWhenAsked) {
  Model model = small_bert();
  const std::string weight = query + ".weight";
  const ValueId mask = model.graph.buffer("mask", {DType::u8, {36, 36}});
  const ValueId masked = model.graph.apply("mask", {model.graph.find(weight), mask});
  model.graph.node(model.graph.find_node("layer0.q")).inputs[1] = masked;
  Tensor kept(DType::u8, {36, 36});
  for (std::int64_t i = 0; i < kept.size(); i += 2) kept.as<std::uint8_t>()[i] = 1;
  model.tensors.set("mask", kept);
  model.graph.sort();
  const LoraSettings settings = kind("dora");
  add_adapter(model, settings, used_adapter(model, settings));
  const Tensor before = answers(model);
  EXPECT_ERROR(merge_adapters(model, {}), ErrorCode::invalid_argument, weight + " is pruned",
               "--dense");
  merge_adapters(model, {.dense = true});
  EXPECT_TRUE(is_plain(model));
  EXPECT_LT(largest_difference(answers(model), before), 1e-6);
}

// What stays masked is the sum of base and adapter, zero where the mask drops it.
TEST(LoraOnMasks, MasksStayWhereAskedFor) {
  Model model = small_bert();
  const std::string weight = query + ".weight";
  Tensor kept(DType::u8, {36, 36});
  for (std::int64_t i = 0; i < kept.size(); i += 2) kept.as<std::uint8_t>()[i] = 1;
  set_masks(model, {{weight, kept}});
  const LoraSettings settings = kind("lora");
  add_adapter(model, settings, used_adapter(model, settings));
  Model dense = model;
  merge_adapters(dense, {.dense = true});
  EXPECT_ERROR(merge_adapters(model, {.dense = true, .keep_masks = true}),
               ErrorCode::invalid_argument, "dense lets the masks go", "give one");
  merge_adapters(model, {.keep_masks = true});
  EXPECT_EQ(masks_of(model.graph).count(weight), 1u);
  EXPECT_FALSE(has_adapters(model.graph));
  for (std::int64_t i = 0; i < kept.size(); ++i)
    ASSERT_EQ(model.tensors.at(weight).as<float>()[i],
              i % 2 == 0 ? dense.tensors.at(weight).as<float>()[i] : 0.0f);
}

// Rows of zeros (heads and neurons that are gone) have no direction to rescale: they stay zero.
TEST(LoraOnMasks, RowsOfZerosStayZeroUnderDora) {
  const ScratchDirectory scratch;
  Model model = small_bert();
  Tensor kept(DType::u8, {36, 36});
  std::memset(kept.data(), 1, kept.bytes());
  std::memset(kept.data(), 0, 18 * 36);
  set_masks(model, {{query + ".weight", kept}});
  const Tensor before = answers(model);
  const LoraSettings settings = kind("dora");
  add_adapter(model, settings, fresh_adapter(model, settings, 1));
  for (const Mode mode : {Mode::compiled, Mode::eager, Mode::reference})
    EXPECT_LT(largest_difference(answers(model, mode), before), 1e-6);
  train(model, text_samples(random_sequences(40)), nullptr, few_steps(), scratch.path() / "run",
        false, nullptr, {}, {});
  const Tensor trained = answers(model);
  EXPECT_GT(largest_difference(trained, before), 1e-3);
  merge_adapters(model, {.dense = true});
  EXPECT_LT(largest_difference(answers(model), trained), 1e-5);
  for (std::int64_t i = 0; i < std::int64_t{18} * 36; ++i)
    ASSERT_EQ(model.tensors.at(query + ".weight").as<float>()[i], 0.0f);
}

TEST(Lora, TargetsAreNamesAndTheirEnds) {
  const Model model = small_bert();
  const auto layers = [&](const std::string& targets) {
    LoraSettings settings{.rank = 2};
    settings.targets = targets;
    std::vector<std::string> names;
    const TensorStore tensors = fresh_adapter(model, settings, 1);
    for (const std::string& name : tensors.names())
      if (name.ends_with(".lora_A.weight")) names.push_back(name.substr(0, name.size() - 14));
    return names;
  };
  EXPECT_EQ(layers("").size(), 4u);
  EXPECT_EQ(layers(""), layers("query,value"));
  EXPECT_EQ(layers("layer0.q"), std::vector<std::string>{query});
  EXPECT_EQ(layers("self.query"), layers("layer[01]\\.q"));
  EXPECT_EQ(layers("dense").size(), 7u);
  EXPECT_EQ(layers("linear").size(), 14u);
  EXPECT_ERROR(layers("quary"), ErrorCode::invalid_argument, "'quary' matches no linear layer",
               "query");
  EXPECT_ERROR(layers("query,gelu"), ErrorCode::invalid_argument, "'gelu' matches no linear");
}

TEST(Lora, FreshNumbersDependOnSeedAndNameAlone) {
  const Model model = small_bert();
  LoraSettings one{.rank = 36}, all{.rank = 36};
  one.targets = "layer0.q";
  all.targets = "query,key,value";
  const std::string name = query + ".lora_A.weight";
  const Tensor a = fresh_adapter(model, one, 5).at(name);
  EXPECT_TRUE(same_bits(a, fresh_adapter(model, all, 5).at(name)));
  EXPECT_FALSE(same_bits(a, fresh_adapter(model, one, 6).at(name)));
  double largest = 0, squares = 0;
  for (const float value : a.span<float>()) {
    largest = std::max(largest, std::abs(static_cast<double>(value)));
    squares += static_cast<double>(value) * value;
  }
  EXPECT_LE(largest, 1.0 / 6);
  EXPECT_GT(largest, 0.9 / 6);
  // Uniform: a third of the bound's square; of 1,296 numbers within four standard deviations.
  EXPECT_NEAR(squares / static_cast<double>(a.size()), 1.0 / 108, 0.1 / 108);
}

TEST(Lora, SeveralOnOneBase) {
  Model model = small_bert();
  const Model plain = model;
  LoraSettings first = kind("lora"), second = kind("rslora");
  first.name = "one";
  second.name = "two";
  second.rank = 2;
  add_adapter(model, first, used_adapter(model, first, 1));
  const Model with_one = model;
  add_adapter(model, second, used_adapter(model, second, 2));
  const std::vector<Adapter> adapters = adapters_of(model.graph);
  ASSERT_EQ(adapters.size(), 2u);
  for (const Adapter& adapter : adapters) {
    EXPECT_EQ(adapter.is_trained, adapter.settings.name == "two");
    EXPECT_EQ(adapter.settings.rank, adapter.settings.name == "two" ? 2 : 3);
  }
  EXPECT_GT(largest_difference(answers(model), answers(with_one)), 1e-3);
  Model merged = model;
  merge_adapters(merged, {});
  EXPECT_LT(largest_difference(answers(merged), answers(model)), 1e-6);
  // One of the same name takes its place, whatever layers it had.
  second.targets = "layer0.q";
  add_adapter(model, second, used_adapter(plain, second, 3));
  EXPECT_EQ(adapters_of(model.graph).back().layers.size() +
                adapters_of(model.graph).front().layers.size(),
            12u);
  LoraSettings third = kind("dora");
  third.name = "three";
  EXPECT_ERROR(add_adapter(model, third, fresh_adapter(model, third, 1)),
               ErrorCode::invalid_argument, "DoRA rescales a layer and stands alone", "merge");
}

// The model's own dropout and the adapter's are set apart.
TEST(Lora, DropoutIsItsOwn) {
  Model model = small_bert();
  LoraSettings settings = kind("lora");
  settings.targets = "query,classifier";
  settings.dropout = 0.25;
  add_adapter(model, settings, used_adapter(model, settings));
  EXPECT_EQ(adapters_of(model.graph).at(0).settings.dropout, 0.25);
  EXPECT_EQ(dropout_rates(model.graph).hidden, dropout_rates(small_bert().graph).hidden);
  EXPECT_EQ(dropout_rates(model.graph).classifier, dropout_rates(small_bert().graph).classifier);
  TrainOptions options = few_steps();
  options.hidden_dropout = options.attention_dropout = options.classifier_dropout = 0;
  const std::string text = print_graph(make_training_graph(model, find_task(model.task), options));
  EXPECT_NE(text.find("p = 0.25"), std::string::npos);
  EXPECT_EQ(text.find("p = 0.1"), std::string::npos);
  EXPECT_EQ(print_graph(make_forward_graph(model, Mode::eager)).find("dropout("),
            std::string::npos);
}

TEST(Lora, RefusesWhatDoesNotFit) {
  const Model model = small_bert();
  const auto add = [&](const LoraSettings& settings) {
    Model copy = model;
    add_adapter(copy, settings, fresh_adapter(model, settings, 1));
  };
  EXPECT_ERROR(add({.rank = 0}), ErrorCode::invalid_argument, "rank is 0");
  EXPECT_ERROR(add({.rank = 37}), ErrorCode::invalid_argument,
               "rank 37 is larger than the layer " + query + ", a matrix of [36,36]");
  EXPECT_ERROR(add({.alpha = 0}), ErrorCode::invalid_argument, "alpha is 0");
  EXPECT_ERROR(add({.dropout = 1}), ErrorCode::invalid_argument, "dropout is 1");
  EXPECT_ERROR(add({.name = "a.b"}), ErrorCode::invalid_argument, "'a.b' is no name");
  LoraSettings both{.rank = 2};
  both.targets = "classifier";
  both.trained = {"classifier"};
  EXPECT_ERROR(add(both), ErrorCode::invalid_argument, "adapted and trained");
  // An adapter of another base.
  TensorStore other;
  other.set("bert.encoder.layer.7.attention.self.query.lora_A.weight", Tensor(DType::f32, {2, 36}));
  other.set("bert.encoder.layer.7.attention.self.query.lora_B.weight", Tensor(DType::f32, {36, 2}));
  other.set(query + ".lora_A.weight", Tensor(DType::f32, {2, 128}));
  other.set(query + ".lora_B.weight", Tensor(DType::f32, {128, 2}));
  Model copy = model;
  const std::string before = print_graph(copy.graph);
  EXPECT_ERROR(add_adapter(copy, {.rank = 2}, other), ErrorCode::invalid_argument,
               "layer.7.attention.self.query: the model has no such linear layer", "another base");
  EXPECT_ERROR(add_adapter(copy, {.rank = 2}, other), ErrorCode::invalid_argument,
               query + ": lora_A [2,128], lora_B [128,2]; the layer is [36,36]");
  EXPECT_EQ(print_graph(copy.graph), before);
}

TEST(AdapterFolder, RefusesOtherKindsAndDamage) {
  const ScratchDirectory scratch;
  const Model model = adapted(kind("lora"));
  write_adapter(scratch.path() / "a", model, model.tensors, adapters_of(model.graph).at(0));
  const std::filesystem::path config = scratch.path() / "a/adapter_config.json";
  const std::string text = read_file(config);
  EXPECT_EQ(read_adapter(scratch.path() / "a").settings.rank, 3);
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = text;
    const std::size_t at = changed.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    changed.replace(at, from.size(), to);
    write_file_atomically(config, changed);
  };
  const auto refused = [&](const std::string& from, const std::string& to, ErrorCode code,
                           const std::string& message) {
    with(from, to);
    EXPECT_ERROR(read_adapter(scratch.path() / "a"), code, message);
  };
  refused("\"LORA\"", "\"IA3\"", ErrorCode::unsupported, "'peft_type' is 'IA3'");
  refused("\"bias\": \"none\"", "\"bias\": \"all\"", ErrorCode::unsupported, "'bias' is 'all'");
  refused("\"alpha_pattern\": {}", "\"target_parameters\": [\"a\"]", ErrorCode::unsupported,
          "'target_parameters' is given");
  refused("\"init_lora_weights\": true", "\"init_lora_weights\": \"pissa_niter_4\"",
          ErrorCode::unsupported, "changes the base");
  refused("\"r\": 3", "\"r\": 4", ErrorCode::bad_format, "says r = 4");
  refused("{", "[", ErrorCode::bad_format, "adapter_config.json");
  EXPECT_ERROR(load_model({.name = (scratch.path() / "a").string()}), ErrorCode::bad_format,
               "adapter_config.json");
  write_file_atomically(config, text);
  EXPECT_ERROR(load_model({.name = (scratch.path() / "a").string()}), ErrorCode::not_found,
               "no model folder here", "base_model_name_or_path");
  std::filesystem::remove(scratch.path() / "a/adapter_model.safetensors");
  EXPECT_ERROR(read_adapter(scratch.path() / "a"), ErrorCode::not_found, "is missing");
}

TEST(LoraChoice, IsParsed) {
  const LoraChoice choice =
      parse_lora("rank=4,alpha=16,dropout=0.1,targets=query+value,key,rslora=true,trained=pooler");
  EXPECT_EQ(choice.settings.rank, 4);
  EXPECT_EQ(choice.settings.alpha, 16);
  EXPECT_EQ(choice.settings.dropout, 0.1);
  EXPECT_EQ(choice.settings.targets, "query,value,key");
  EXPECT_TRUE(choice.settings.rank_stabilized);
  EXPECT_EQ(choice.settings.trained, std::vector<std::string>{"pooler"});
  EXPECT_EQ(parse_lora("targets=layer\\d+\\.q").settings.targets, "layer\\d+\\.q");
  EXPECT_EQ(parse_lora("default").settings.rank, 8);
  EXPECT_ERROR(parse_lora("rnak=4"), ErrorCode::invalid_argument, "rnak", "rank");
  EXPECT_ERROR(parse_lora("rank"), ErrorCode::invalid_argument, "'rank' has no value");
  EXPECT_ERROR(parse_lora("rank=2,rank=3"), ErrorCode::invalid_argument, "given twice");
  EXPECT_ERROR(parse_lora("rank=many"), ErrorCode::invalid_argument, "rank");
  EXPECT_ERROR(parse_lora("adapter=x,rank=4"), ErrorCode::invalid_argument, "rank and adapter");
}

// A graph from a file may say anything.
TEST(Lora, AnAdapterOfNothingIsRefused) {
  Graph graph;
  const ValueId x = graph.input("x", {DType::f32, {Dim("T"), 4}});
  const ValueId a = graph.parameter("a", {DType::f32, {2, 4}});
  const ValueId b = graph.parameter("b", {DType::f32, {4, 2}});
  const ValueId y = graph.apply("lora", {x, x, a, b}, {{"alpha", 1.0}});
  const ValueId g = graph.parameter("g", {DType::f32, {4}});
  graph.outputs.emplace_back("logits", graph.apply("rescale", {y, g}));
  EXPECT_TRUE(has_adapters(graph));
  EXPECT_ERROR(adapters_of(graph), ErrorCode::bad_format, "%lora adapts no linear layer");
  EXPECT_NO_THROW(follow_bases(graph));
}

// Parts of a step add up to the same gradients.
TEST(LoraTraining, AccumulatesGradients) {
  const ScratchDirectory scratch;
  std::vector<Model> models;
  for (const std::int64_t parts : {1, 2}) {
    Model model = small_bert();
    LoraSettings settings = kind("dora");
    add_adapter(model, settings, used_adapter(model, settings));
    TrainOptions options = few_steps();
    options.accumulate = parts;
    options.steps = 3;
    options.optimizer_options.set("epsilon", 1e-3);
    options.hidden_dropout = options.attention_dropout = options.classifier_dropout = 0;
    train(model, text_samples(random_sequences(40)), nullptr, options,
          scratch.path() / std::to_string(parts), false, nullptr, {}, {});
    models.push_back(std::move(model));
  }
  for (const std::string& name : models[0].tensors.names())
    EXPECT_LT(largest_difference(models[0].tensors.at(name), models[1].tensors.at(name)), 1e-5)
        << name;
}

// The classifier is trained where it starts afresh, or where that is asked for.
TEST(LoraChoice, TrainsAClassifierThatStartsAfresh) {
  const ScratchDirectory scratch;
  const auto is_trained = [](const Model& model) {
    return model.graph.value(model.graph.find("classifier.weight")).is_trained();
  };
  Model model = small_bert();
  save_model(scratch.path() / "base", model, model.tensors);
  apply_lora(model, parse_lora("rank=2"), 1);
  EXPECT_TRUE(is_trained(model)) << "a built-in model starts afresh as a whole";
  ModelRequest request{.name = (scratch.path() / "base").string()};
  Model loaded = load_model(request);
  apply_lora(loaded, parse_lora("rank=2"), 1);
  EXPECT_FALSE(is_trained(loaded));
  Model asked = load_model(request);
  apply_lora(asked, parse_lora("rank=2,trained=classifier"), 1);
  EXPECT_TRUE(is_trained(asked));
  request.fresh_head = true;
  request.label_names = {"a", "b"};
  Model fresh = load_model(request);
  apply_lora(fresh, parse_lora("rank=2"), 1);
  EXPECT_TRUE(is_trained(fresh));
  EXPECT_ERROR(apply_lora(asked, parse_lora("trained=clasifier"), 1), ErrorCode::invalid_argument,
               "no layer 'clasifier'", "classifier");
}

}  // namespace
}  // namespace hone_test
