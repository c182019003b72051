// Quantized models: what is packed is what was simulated, in every format; directories; bad files;
// calibration; learned steps.
#include <cmath>
#include <cstring>
#include <limits>

#include <gtest/gtest.h>

#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/hugging_face.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/frontends/saved_model.hpp"
#include "hone/graph/selection.hpp"
#include "hone/graph/text.hpp"
#include "hone/model/model.hpp"
#include "hone/passes/format_checks.hpp"
#include "hone/passes/learned_steps.hpp"
#include "hone/passes/packing.hpp"
#include "hone/passes/quantization.hpp"
#include "hone/passes/select_formats.hpp"
#include "hone/run/forward.hpp"
#include "hone/train/calibrate.hpp"
#include "hone/train/evaluate.hpp"
#include "hone/train/trainer.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"
#include "support/small_bert.hpp"

namespace hone_test {
namespace {

using namespace hone;

Quantization choose(const Model& model, const std::string& format,
                    std::vector<std::pair<std::string, std::string>> keys = {},
                    const std::string& nodes = "linear,embedding") {
  return select_formats(model.graph, {{nodes, format, std::move(keys)}});
}

Tensor logits_of(const Model& model, const TokenizedData& data, Mode mode) {
  Executor forward = make_forward(model, mode);
  return evaluate(forward, text_samples(data)).logits;
}

double largest_difference(const Tensor& a, const Tensor& b) {
  double largest = 0;
  for (std::int64_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a.as<float>()[i]) - b.as<float>()[i]));
  return largest;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

class EveryFormat : public testing::TestWithParam<std::string> {};

TEST_P(EveryFormat, PackedModelGivesWhatTheSimulatedOneGives) {
  const TokenizedData data = random_sequences(60);
  Model model = small_bert();
  set_formats(model, choose(model, GetParam()));
  const Tensor simulated = logits_of(model, data, Mode::eager);
  const Tensor plain = logits_of(small_bert(), data, Mode::eager);
  EXPECT_FALSE(same_bits(simulated, plain)) << "the format changes nothing";
  const std::int64_t before = tensor_bytes(model);
  pack_weights(model);
  EXPECT_LT(tensor_bytes(model), before / 3);
  // The same kernels on the same numbers.
  EXPECT_TRUE(same_bits(logits_of(model, data, Mode::eager), simulated));
  // Other orders of summation, or sums of whole numbers.
  double largest = 0;
  for (const float logit : simulated.span<float>())
    largest = std::max(largest, std::abs(static_cast<double>(logit)));
  EXPECT_LT(largest_difference(logits_of(model, data, Mode::compiled), simulated),
            1e-6 * (1 + 4 * largest));
}

TEST_P(EveryFormat, DirectoriesKeepTheBits) {
  const ScratchDirectory scratch;
  const TokenizedData data = random_sequences(20);
  Model model = small_bert();
  set_formats(model, choose(model, GetParam()));
  pack_weights(model);
  save_model(scratch.path() / "m", model, model.tensors);
  Model loaded = load_model({.name = (scratch.path() / "m").string()});
  EXPECT_EQ(formats_of(loaded.graph), formats_of(model.graph));
  EXPECT_TRUE(loaded.report.initialized.empty());
  EXPECT_TRUE(loaded.report.unused.empty());
  EXPECT_EQ(parameter_count(loaded), parameter_count(small_bert()));
  EXPECT_TRUE(
      same_bits(logits_of(loaded, data, Mode::compiled), logits_of(model, data, Mode::compiled)));
  // As float32 again, rounding the weights once more changes none.
  unpack_weights(loaded);
  int unpacked = 0;
  for (const Node& node : model.graph.nodes) {
    if (node.op != "dequantize") continue;
    const std::string& name = model.graph.value(node.outputs[0]).name;
    EXPECT_TRUE(same_bits(loaded.tensors.at(name), effective_weight(model, node.outputs[0])))
        << name;
    ++unpacked;
  }
  EXPECT_GT(unpacked, 10);
}

std::vector<std::string> format_names() {
  std::vector<std::string> names;
  for (const Format& format : format_table()) names.push_back(format.name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Formats, EveryFormat, testing::ValuesIn(format_names()),
                         [](const auto& instance) { return instance.param; });

// Sums of whole numbers below 2^24 are exact in float32 too: not a bit may differ.
TEST(Int8Model, FixedPointIsExact) {
  const TokenizedData data = random_sequences(60);
  Model model = small_bert();
  set_formats(model, choose(model, "integer", {{"width", "8"}, {"weight_frac_width", "7"}}));
  const Tensor simulated = logits_of(model, data, Mode::eager);
  pack_weights(model);
  const Graph graph = make_forward_graph(model, Mode::compiled);
  EXPECT_TRUE(std::any_of(graph.nodes.begin(), graph.nodes.end(),
                          [](const Node& node) { return node.op == "linear_int8"; }));
  EXPECT_TRUE(std::none_of(graph.nodes.begin(), graph.nodes.end(),
                           [](const Node& node) { return node.op == "dequantize"; }));
  EXPECT_TRUE(same_bits(logits_of(model, data, Mode::compiled), simulated));
}

const std::vector<std::pair<std::string, std::string>> fixed_probabilities{
    {"width", "8"},
    {"frac_width", "5"},
    {"weight_frac_width", "7"},
    {"probabilities_format", "integer"},
    {"probabilities_frac_width", "8"},
    {"probabilities_is_signed", "false"}};

// Attention too: scores, and the products of probabilities and values.
TEST(Int8Model, FixedPointAttentionIsExact) {
  const TokenizedData data = random_sequences(60);
  Model model = small_bert();
  set_formats(model, choose(model, "integer", fixed_probabilities, "linear,attention"));
  const Tensor simulated = logits_of(model, data, Mode::eager);
  pack_weights(model);
  const Graph graph = make_forward_graph(model, Mode::compiled);
  EXPECT_TRUE(std::any_of(graph.nodes.begin(), graph.nodes.end(),
                          [](const Node& node) { return node.op == "attention_int8"; }));
  EXPECT_TRUE(same_bits(logits_of(model, data, Mode::compiled), simulated));
}

TEST(Int8Model, ProbabilitiesAreRounded) {
  const TokenizedData data = random_sequences(20);
  Model model = small_bert();
  set_formats(model, choose(model, "integer", {{"width", "8"}}, "attention"));
  const Tensor whole = logits_of(model, data, Mode::eager);
  set_formats(model, choose(model, "integer",
                            {{"width", "8"},
                             {"probabilities_format", "integer"},
                             {"probabilities_frac_width", "8"},
                             {"probabilities_is_signed", "false"}},
                            "attention"));
  EXPECT_EQ(formats_of(model.graph).at(0).slots.at(Slot::probabilities).options,
            "frac_width=8 is_signed=false width=8");
  EXPECT_GT(largest_difference(logits_of(model, data, Mode::eager), whole), 0);
  // One scale for the whole tensor is no format of rows.
  EXPECT_ERROR(choose(model, "integer",
                      {{"probabilities_format", "affine"}, {"probabilities_granularity", "tensor"}},
                      "attention"),
               ErrorCode::invalid_argument, "scales or blocks that several rows share");
  EXPECT_ERROR(choose(model, "integer", {{"probabilities_width", "4"}}, "linear"),
               ErrorCode::invalid_argument, "probabilities_width changes nothing");
  EXPECT_ERROR(choose(model, "integer", {{"probabilities_learned_step", "true"}}, "attention"),
               ErrorCode::invalid_argument, "learn a step");
}

// The formats of the probabilities are trained with and kept.
TEST(QuantizationAwareTraining, RoundsProbabilities) {
  const ScratchDirectory scratch;
  Model model = small_bert();
  set_formats(model, choose(model, "integer", fixed_probabilities, "linear,attention"));
  TrainOptions options;
  options.lr = 1e-3;
  options.batch = 4;
  const TrainResult result = train(model, text_samples(random_sequences(30)), nullptr, options,
                                   scratch.path() / "run", false, nullptr, {}, {});
  EXPECT_TRUE(std::isfinite(result.last_loss));
  const Model loaded = load_model({.name = (scratch.path() / "run").string()});
  EXPECT_EQ(formats_of(loaded.graph), formats_of(model.graph));
}

TEST(Selection, FirstMatchWinsAndKeysReachTheirSlots) {
  const Model model = small_bert();
  const Graph graph = model.graph;
  const Quantization formats =
      select_formats(graph, {{"layer0\\..*", "mxint", {}},
                             {"linear", "integer", {{"width", "6"}, {"weight_width", "4"}}}});
  ASSERT_GT(formats.size(), 10u);
  for (const NodeFormats& node : formats) {
    const bool first = node.node.rfind("layer0.", 0) == 0;
    if (node.slots.count(Slot::weight) != 0) {
      EXPECT_EQ(to_string(node.slots.at(Slot::weight)), first ? "mxint" : "integer width=4")
          << node.node;
    }
    if (!first) {
      EXPECT_EQ(to_string(node.slots.at(Slot::data_in)), "integer width=6");
      EXPECT_EQ(node.slots.count(Slot::data_out), 0u);
    }
  }
  const auto select = [&](QuantizeSelection selection) {
    return select_formats(graph, {selection});
  };
  EXPECT_ERROR(select({"conv2d", "integer", {}}), ErrorCode::invalid_argument, "matches no node");
  EXPECT_ERROR(select({"linear", "intger", {}}), ErrorCode::invalid_argument,
               "unknown format 'intger'", "integer");
  EXPECT_ERROR(select({"linear", "integer", {{"widht", "4"}}}), ErrorCode::invalid_argument,
               "has no option 'widht'", "width");
  EXPECT_ERROR(select({"linear", "integer", {{"weight_widht", "4"}}}), ErrorCode::invalid_argument,
               "widht", "width");
  EXPECT_ERROR(select({"gelu", "integer", {{"bias_width", "4"}}}), ErrorCode::invalid_argument,
               "bias_width changes nothing");
  EXPECT_ERROR(
      select(
          {"linear",
           "integer",
           {{"width", "4"}, {"weight_width", "4"}, {"data_in_width", "4"}, {"bias_width", "4"}}}),
      ErrorCode::invalid_argument, "width changes nothing");
  EXPECT_ERROR(select({"linear", "integer", {{"width", "99"}}}), ErrorCode::invalid_argument,
               "width");
  EXPECT_ERROR(select({"[", "integer", {}}), ErrorCode::invalid_argument, "regular expression");
  EXPECT_ERROR(select({"linear", "binary", {{"learned_step", "true"}}}),
               ErrorCode::invalid_argument, "learned_step");
  // Commas inside the brackets of an expression do not part it.
  const auto selected = [&](const std::string& nodes) {
    return choose(model, "integer", {}, nodes).size();
  };
  EXPECT_EQ(selected(R"(layer[0,9]\.q)"), 1u);
  EXPECT_EQ(selected(R"(layer0\.(q|k){1,1}, pooler)"), 3u);
  EXPECT_EQ(selected(R"((layer0\.q),(layer0\.k))"), 2u);
}

// The names that inspect prints stand for the nodes that read them.
TEST(Selection, NamesOfLayersAndParameters) {
  const Model model = small_bert();
  const auto selected = [&](const std::string& nodes) {
    std::vector<std::string> names;
    for (const NodeFormats& node : choose(model, "integer", {}, nodes)) names.push_back(node.node);
    return names;
  };
  using Names = std::vector<std::string>;
  const std::string query = "bert.encoder.layer.0.attention.self.query";
  EXPECT_EQ(selected(query), Names{"layer0.q"});
  EXPECT_EQ(selected(query + ".weight"), Names{"layer0.q"});
  EXPECT_EQ(selected(query + ".bias"), Names{"layer0.q"});
  EXPECT_EQ(selected("layer0.q," + query), Names{"layer0.q"});
  EXPECT_EQ(selected("classifier, bert.embeddings.word_embeddings").size(), 2u);
  EXPECT_EQ(selected(R"(bert\.encoder\.layer\.1\..*\.weight)"),
            selected(R"(bert\.encoder\.layer\.1\..*)"));
  // Every name that the layers of inspect have is one.
  for (const Node& node : model.graph.nodes) {
    if (node.op != "linear" && node.op != "embedding") continue;
    const auto names = selection_names(model.graph, node);
    ASSERT_GE(names.size(), 3u);
    for (const std::string& name : names) EXPECT_EQ(selected(name), Names{names.front()});
  }
  // The nearest name of any kind.
  EXPECT_ERROR(selected("bert.encoder.layer.0.attention.self.querry.weight"),
               ErrorCode::invalid_argument, "matches no node", "'" + query + ".weight'");
  EXPECT_ERROR(selected("linaer"), ErrorCode::invalid_argument, "matches no node", "'linear'");
  EXPECT_ERROR(selected("layer0.qq"), ErrorCode::invalid_argument, "matches no node", "'layer0.q'");
  EXPECT_ERROR(selected("dropout_of_nothing_like_this"), ErrorCode::invalid_argument,
               "matches no node", "hone inspect");
}

TEST(Selection, WhatATrainedStepLeavesWithoutEffect) {
  const Model model = small_bert();
  const auto select = [&](const std::string& format,
                          std::vector<std::pair<std::string, std::string>> keys) {
    keys.emplace_back("learned_step", "true");
    return choose(model, format, std::move(keys), "linear");
  };
  EXPECT_ERROR(select("affine", {{"weight_granularity", "tensor"}}), ErrorCode::invalid_argument,
               "weight_granularity changes nothing beside learned_step");
  EXPECT_ERROR(select("integer", {{"data_in_frac_width", "4"}}), ErrorCode::invalid_argument,
               "data_in_frac_width changes nothing beside learned_step");
  EXPECT_ERROR(select("integer", {{"rule", "mase"}}), ErrorCode::invalid_argument,
               "rule = mase and learned_step");
  // Biases have no trained step: the key is theirs.
  const Quantization formats = select("integer", {{"width", "4"}, {"frac_width", "3"}});
  EXPECT_EQ(formats[0].slots.at(Slot::weight).options, "width=4");
  EXPECT_EQ(formats[0].slots.at(Slot::bias).options, "frac_width=3 width=4");
  EXPECT_ERROR(select("integer", {{"frac_width", "3"}, {"bias_format", "none"}}),
               ErrorCode::invalid_argument, "frac_width changes nothing");
}

TEST(Selection, UnsignedDataIsRefusedUnlessItsSignIsKnown) {
  const Model model = small_bert();
  const Graph graph = model.graph;
  const auto check = [&](const std::string& key, const std::string& nodes) {
    refuse_unsigned_data(graph, choose(model, "integer", {{key, "false"}}, nodes));
  };
  EXPECT_ERROR(check("data_in_is_signed", "linear"), ErrorCode::invalid_argument,
               "may have negative numbers", "--calibrate");
  EXPECT_ERROR(check("data_out_is_signed", "layer0.q"), ErrorCode::invalid_argument, "layer0.q");
  EXPECT_NO_THROW(check("probabilities_is_signed", "attention"));
  EXPECT_NO_THROW(check("weight_is_signed", "linear"));  // known: refused by its numbers
  const Graph positive = parse_graph(R"(graph relu {
  input %x : f32[T,8]
  param %w : f32[4,8]
  %r : f32[T,8] = relu(%x)
  %y : f32[T,4] = linear(%r, %w)
  return y = %y
})");
  EXPECT_NO_THROW(refuse_unsigned_data(
      positive,
      select_formats(positive, {{"linear", "integer", {{"data_in_is_signed", "false"}}}})));
}

TEST(PackedFiles, BadOnesAreRefused) {
  const ScratchDirectory scratch;
  const auto folder = scratch.path() / "m";
  Model model = small_bert();
  set_formats(model, choose(model, "mxint"));
  pack_weights(model);
  const std::string name = "bert.encoder.layer.0.intermediate.dense.weight";
  const auto load = [&](const TensorStore& tensors) {
    save_model(folder, model, tensors);
    load_model({.name = folder.string()});
  };
  EXPECT_NO_THROW(load(model.tensors));
  TensorStore tensors = model.tensors;
  tensors.set(codes_name(name), Tensor(DType::u8, {7}));
  EXPECT_ERROR(load(tensors), ErrorCode::bad_format, codes_name(name));
  tensors = model.tensors;
  tensors.erase(scales_name(name));
  EXPECT_ERROR(load(tensors), ErrorCode::bad_format, scales_name(name));
  tensors = model.tensors;
  Tensor scales = tensors.at(scales_name(name)).clone();
  scales.as<std::uint8_t>()[0] = 255;  // NaN in E8M0
  tensors.set(scales_name(name), scales);
  EXPECT_ERROR(load(tensors), ErrorCode::bad_format, "exponent");
  // Edited texts: what stood in one of the files becomes something else.
  const auto edit = [&](const char* file, const std::string& from, const std::string& to) {
    save_model(folder, model, model.tensors);
    std::string text = read_file(folder / file);
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    write_file_atomically(folder / file, text.replace(at, from.size(), to));
    load_model({.name = folder.string()});
  };
  const char* facts = "hone_model.json";
  const char* graph = "hone_graph.txt";
  EXPECT_ERROR(edit(facts, "\"version\": 1", "\"version\": 9"), ErrorCode::unsupported, "version 9",
               "newer");
  EXPECT_ERROR(edit(facts, "\"version\": 1", "\"version\": \"x\""), ErrorCode::bad_format,
               "hone_model.json: has no version");
  EXPECT_ERROR(edit(facts, "\"kind\": \"classes\"", "\"kind\": \"clases\""), ErrorCode::bad_format,
               "clases");
  EXPECT_ERROR(edit(facts, "\"size\": 3", "\"size\": 4"), ErrorCode::bad_format,
               "3 labels for 4 outputs");
  EXPECT_ERROR(edit(facts, "\"task\": \"text_classification\"", "\"task\": \"text_regression\""),
               ErrorCode::bad_format, "'task' is 'text_regression'");
  EXPECT_ERROR(edit(facts, "\"history\"", "\"histery\""), ErrorCode::bad_format, "history");
  EXPECT_ERROR(edit(graph, "format = \"mxint\"", "format = \"mxnew\""), ErrorCode::bad_format,
               "mxnew");
  EXPECT_ERROR(edit(graph, "bits = 8", "bits = 5"), ErrorCode::bad_format, "hone_graph.txt");
  EXPECT_ERROR(edit(graph, "input %ids", "input %idz"), ErrorCode::bad_format, "hone_graph.txt");
  EXPECT_ERROR(edit(graph, "return logits", "return answer"), ErrorCode::bad_format, "logits");
  EXPECT_ERROR(edit(graph, "graph bert {", "graph bert {\n  state %s : f32[1]"),
               ErrorCode::bad_format, "%s does not belong to a model");
  EXPECT_ERROR(edit(graph, "param %bert.embeddings.LayerNorm.bias : f32[36]",
                    "param %bert.embeddings.LayerNorm.bias : f32[T]"),
               ErrorCode::bad_format, "hone_graph.txt");
}

// Formats are read from the graph as they were put into it, and leave no trace.
TEST(Formats, OfAGraphAreThoseThatWereApplied) {
  Model model = small_bert();
  const Graph before = model.graph;
  const Quantization chosen = select_formats(
      model.graph,
      {{"attention",
        "integer",
        {{"width", "8"}, {"probabilities_frac_width", "7"}, {"probabilities_format", "integer"}}},
       {"embedding", "mxint", {}},
       {"layer0.q,layer0.wide", "affine", {{"data_out_width", "6"}, {"width", "4"}}},
       {"linear", "integer", {{"width", "5"}, {"learned_step", "true"}}}});
  set_formats(model, chosen);
  EXPECT_EQ(formats_of(model.graph), chosen);
  // Doing it again changes nothing, taking them out gives the graph that was.
  const std::string text = print_graph(model.graph);
  apply_formats(model.graph, chosen);
  EXPECT_EQ(print_graph(model.graph), text);
  apply_formats(model.graph, {});
  EXPECT_TRUE(same_computation(model.graph, before));
}

TEST(Packing, NanIsRefusedByName) {
  Model model = small_bert();
  set_formats(model, choose(model, "integer"));
  model.tensors.at("classifier.weight").as<float>()[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_ERROR(pack_weights(model), ErrorCode::numeric, "classifier.weight");
}

TEST(ValueStatsOf, KnownNumbers) {
  ValueStats stats;
  std::vector<float> numbers(10001);
  for (std::size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = static_cast<float>(static_cast<double>(i) / 5000 - 1);  // -1 .. 1, evenly
  numbers.push_back(std::numeric_limits<float>::infinity());
  numbers.push_back(std::numeric_limits<float>::quiet_NaN());
  stats.add(numbers);
  EXPECT_EQ(stats.count(), 10001);
  EXPECT_EQ(stats.minimum(), -1);
  EXPECT_EQ(stats.maximum(), 1);
  EXPECT_NEAR(stats.mean_magnitude(), 0.5, 0.01);
  EXPECT_NEAR(stats.quantile(0.75), 0.5, 0.04);
  EXPECT_NEAR(stats.quantile(0.25), -0.5, 0.04);
  stats.add(std::vector<float>{3.0f});
  EXPECT_EQ(stats.maximum(), 3);
  EXPECT_NEAR(stats.average_maximum(), 1 + 0.1 * 2, 1e-6);
}

// One large outlier: the least squared error gives up on it, the minimum and maximum do not.
TEST(Calibration, MethodsDiffer) {
  ValueStats stats;
  std::vector<float> numbers;
  RandomStream random(1, 1);
  for (int i = 0; i < 100000; ++i) numbers.push_back(static_cast<float>(random.normal()));
  numbers.push_back(60.0f);
  stats.add(numbers);
  const Format& affine = find_format("affine");
  const Options width{{"width", std::int64_t{4}}};
  const auto step = [&](RangeMethod method) {
    return calibrated_options(affine, "exact", width, stats, method, 99.9).real("scale");
  };
  EXPECT_NEAR(step(RangeMethod::min_max), 60.0 / 7, 0.01);
  EXPECT_LT(step(RangeMethod::percentile), 5.0 / 7);
  // The step of least error for 15 levels on normal numbers is 0.335 sigma (Max, 1960).
  EXPECT_NEAR(step(RangeMethod::mse), 0.335, 0.06);
  EXPECT_ERROR(calibrated_options(find_format("ternary"), "exact", {}, stats, RangeMethod::mse),
               ErrorCode::invalid_argument, "no scale to calibrate");
  EXPECT_ERROR(calibrated_options(affine, "exact", width, ValueStats(), RangeMethod::mse),
               ErrorCode::invalid_argument, "no numbers");
  // The one scale takes the place of those that follow from the numbers.
  const Options grouped{{"granularity", std::string("group")}, {"group_size", std::int64_t{8}}};
  const Options fitted = calibrated_options(affine, "exact", grouped, stats, RangeMethod::min_max);
  EXPECT_FALSE(fitted.contains("granularity") || fitted.contains("group_size"));
  EXPECT_NO_THROW(bind_format("affine", "exact", fitted));
}

TEST(Calibration, FitsDataAndKeepsWhatWasGiven) {
  const TokenizedData data = random_sequences(30);
  const Model model = small_bert();
  Quantization formats =
      choose(model, "integer", {{"width", "6"}, {"bias_frac_width", "5"}}, "linear");
  calibrate_on_data(formats, model, text_samples(data), {.samples = 16});
  for (const NodeFormats& node : formats) {
    EXPECT_NE(node.slots.at(Slot::data_in).options.find("frac_width="), std::string::npos);
    EXPECT_EQ(node.slots.at(Slot::bias).options, "frac_width=5 width=6");
  }
  const auto error = [&](const Quantization& chosen) {
    Model rounded = model;
    set_formats(rounded, chosen);
    return largest_difference(logits_of(rounded, data, Mode::eager),
                              logits_of(model, data, Mode::eager));
  };
  EXPECT_LT(error(formats),
            error(choose(model, "integer", {{"width", "6"}, {"bias_frac_width", "5"}}, "linear")));
  EXPECT_ERROR(calibrate_on_data(formats, model, text_samples(random_sequences(0)), {}),
               ErrorCode::invalid_argument, "no samples");
}

TEST(LearnedSteps, TrainFreezeAndPack) {
  for (const char* format : {"affine", "integer"}) {
    SCOPED_TRACE(format);
    const ScratchDirectory scratch;
    const TokenizedData data = random_sequences(30);
    Model model = small_bert();
    set_formats(model, choose(model, format, {{"width", "4"}, {"learned_step", "true"}}, "linear"));
    initialize_learned_steps(model, text_samples(data));
    const std::string step = "layer0.wide.weight.step";
    const float first = model.tensors.at(step).as<float>()[0];
    // 2 mean|w| / sqrt(7); the weights are normal with deviation 0.02.
    EXPECT_NEAR(first, 2 * 0.02 * std::sqrt(2 / 3.14159265) / std::sqrt(7.0), 1.5e-3);
    TrainOptions options;
    options.lr = 1e-3;
    options.batch = 4;
    options.seed = 21;
    const TrainResult result = train(model, text_samples(data), nullptr, options,
                                     scratch.path() / "run", false, nullptr, {}, {});
    EXPECT_TRUE(std::isfinite(result.last_loss));
    Model loaded = load_model({.name = (scratch.path() / "run").string()});
    EXPECT_TRUE(loaded.report.unused.empty());
    EXPECT_NE(loaded.tensors.at(step).as<float>()[0], first) << "the step was not trained";
    const Tensor trained = logits_of(loaded, data, Mode::compiled);
    freeze_learned_steps(loaded);
    EXPECT_FALSE(loaded.tensors.contains(step));
    pack_weights(loaded);
    EXPECT_LT(largest_difference(logits_of(loaded, data, Mode::compiled), trained), 1e-5);
  }
}

// Training with the rounding is the same run after a stop.
TEST(QuantizationAwareTraining, ResumesBitForBit) {
  const ThreadScope threads(2);
  const ScratchDirectory scratch;
  const TokenizedData data = random_sequences(30);
  TrainOptions options;
  options.lr = 1e-3;
  options.batch = 4;
  options.epochs = 2;
  const auto run = [&](const char* name, bool resume, std::int64_t stop_after) {
    Model model = small_bert();
    set_formats(model, choose(model, "binary", {{"stochastic", "true"}}, "linear"));
    std::int64_t done = 0;
    TrainEvents events;
    events.on_step = [&](const StepReport&) { ++done; };
    if (stop_after > 0) events.stop = [&] { return done >= stop_after; };
    train(model, text_samples(data), nullptr, options, scratch.path() / name, resume, nullptr,
          events, {});
    return model.tensors;
  };
  const TensorStore whole = run("whole", false, 0);
  run("parts", false, 5);
  const TensorStore parts = run("parts", true, 0);
  for (const std::string& name : whole.names())
    EXPECT_TRUE(same_bits(whole.at(name), parts.at(name))) << name;
}

}  // namespace
}  // namespace hone_test
