// What a text becomes does not depend on the texts beside it: in every format, under every rule,
// with every option that is taken.
#include <cmath>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "hone/core/error.hpp"
#include "hone/data/load.hpp"
#include "hone/frontends/hugging_face.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/frontends/saved_model.hpp"
#include "hone/model/model.hpp"
#include "hone/passes/packing.hpp"
#include "hone/passes/select_formats.hpp"
#include "hone/run/forward.hpp"
#include "hone/train/calibrate.hpp"
#include "hone/train/evaluate.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"
#include "support/small_bert.hpp"

namespace hone_test {
namespace {

using namespace hone;
using Keys = std::vector<std::pair<std::string, std::string>>;

std::vector<std::string> values_of(const OptionSpec& spec) {
  if (spec.type == OptionType::boolean) return {"true", "false"};
  if (!spec.choices.empty()) return spec.choices;
  if (spec.name == "block_size") return {"4", "12", "2,4", "64"};
  if (spec.name == "block_dim") return {"-1", "0", "1"};
  std::vector<std::string> values;
  for (const int value : {1, 3, 5, 8, 16})
    if (value >= spec.minimum && value <= spec.maximum) values.push_back(std::to_string(value));
  if (spec.type == OptionType::real) values = {"0.5"};
  return values;
}

// Every option by itself, and those that count only beside others.
std::vector<Keys> settings_of(const Format& format) {
  std::vector<Keys> all;
  std::vector<std::string> rules = format.rules;
  rules.emplace_back("exact");
  for (const std::string& rule : rules) {
    const Keys base{{"rule", rule}};
    all.push_back(base);
    for (const OptionSpec& spec : format.options)
      for (const std::string& value : values_of(spec)) {
        Keys keys = base;
        keys.emplace_back(spec.name, value);
        all.push_back(keys);
        // Blocks that divide the 36 columns of the model, where others do not.
        if (spec.name == "block_size" || rule == "exact") continue;
        keys.emplace_back("block_size", "12");
        all.push_back(keys);
      }
  }
  for (const char* granularity : {"tensor", "group"})
    all.push_back({{"granularity", granularity}, {"width", "4"}});
  all.push_back({{"granularity", "group"}, {"group_size", "6"}});
  all.push_back({{"skip_first_dim", "false"}, {"rule", "mase"}, {"block_size", "4"}});
  all.push_back({{"skip_first_dim", "true"}, {"rule", "mase"}, {"block_size", "4"}});
  return all;
}

Tensor logits_by(Executor& forward, const TokenizedData& data) {
  return evaluate(forward, text_samples(data)).logits;
}

// The texts alone, and within a batch of others whose numbers are larger.
void expect_alone_as_in_batch(const Model& model, Mode mode) {
  const TokenizedData data = random_sequences(7, 21);
  Executor forward = make_forward(model, mode);
  const Tensor together = logits_by(forward, data);
  const std::int64_t classes = together.shape()[1];
  double largest = 0;
  for (const float logit : together.span<float>())
    if (std::isfinite(logit)) largest = std::max(largest, std::fabs(static_cast<double>(logit)));
  for (const std::int64_t i : {0, 4}) {
    const std::int64_t indices[] = {i};
    const Tensor alone = logits_by(forward, subset(data, indices));
    for (std::int64_t c = 0; c < classes; ++c) {
      const float a = alone.as<float>()[c], b = together.as<float>()[i * classes + c];
      if (std::isnan(a) && std::isnan(b)) continue;
      ASSERT_NEAR(a, b, 1e-6 * (1 + largest)) << "text " << i << ", class " << c;
    }
  }
}

class BatchIndependence : public testing::TestWithParam<std::string> {};

TEST_P(BatchIndependence, OfEveryOptionThatIsTaken) {
  const Model plain = small_bert();
  const Graph graph = plain.graph;
  int taken = 0;
  for (const Keys& keys : settings_of(find_format(GetParam()))) {
    // Weights in 8 bits beside data in the format: most rules have no packing for weights.
    std::string text;
    QuantizeSelection selection{"linear,attention,layer_norm,gelu,add", GetParam(), {}};
    for (const auto& [key, value] : keys) {
      text += fmt::format(" {}={}", key, value);
      selection.keys.emplace_back("data_in_" + key, value);
    }
    // A key makes the format one for data too; biases and weights are left.
    selection.keys.emplace_back("data_in_format", GetParam());
    selection.keys.emplace_back("weight_format", "integer");
    selection.keys.emplace_back("weight_frac_width", "7");
    selection.keys.emplace_back("bias_format", "none");
    SCOPED_TRACE(GetParam() + text);
    Model model = plain;
    try {
      set_formats(model, select_formats(graph, {selection}));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_FALSE(error.hint().empty()) << error.message();
      continue;
    }
    ++taken;
    try {
      // Simulated and packed, of every rule; of its options packed alone, for time.
      if (keys.size() == 1) expect_alone_as_in_batch(model, Mode::eager);
      pack_weights(model);
      expect_alone_as_in_batch(model, Mode::compiled);
    } catch (const Error& error) {
      // Shapes that the format was told not to take.
      EXPECT_NE(error.message().find("tail = error"), std::string::npos) << error.message();
    }
    if (testing::Test::HasFatalFailure()) return;
  }
  EXPECT_GT(taken, 0);
}

std::vector<std::string> data_formats() {
  std::vector<std::string> names;
  for (const Format& format : format_table()) names.push_back(format.name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Formats, BatchIndependence, testing::ValuesIn(data_formats()),
                         [](const auto& instance) { return instance.param; });

Quantization with_data(const Model& model, const std::string& format, Keys keys) {
  return select_formats(model.graph, {{"linear", format, std::move(keys)}});
}

TEST(SharedScales, OfDataAreRefusedWithTheRemedy) {
  const Model plain = small_bert();
  const auto set = [&](const std::string& format, Keys keys) {
    Model model = plain;
    set_formats(model, with_data(model, format, std::move(keys)));
  };
  EXPECT_ERROR(set("affine", {{"granularity", "tensor"}}), ErrorCode::invalid_argument,
               "texts beside it", "--calibrate DATA");
  EXPECT_ERROR(set("ternary", {{"data_in_granularity", "tensor"}}), ErrorCode::invalid_argument,
               "texts beside it", "granularity = channel");
  EXPECT_ERROR(set("block_fp", {{"block_size", "4,4"}}), ErrorCode::invalid_argument,
               "texts beside it", "block_size");
  EXPECT_ERROR(set("mxint", {{"rule", "mase"}, {"bias_format", "none"}}),
               ErrorCode::invalid_argument, "texts beside it", "divides 36");
  EXPECT_ERROR(set("block_log", {{"rule", "mase"}, {"data_in_skip_first_dim", "false"}}),
               ErrorCode::invalid_argument, "texts beside it", "rule exact");
  // Of weights they are the same for all texts.
  EXPECT_NO_THROW(set("affine", {{"weight_granularity", "tensor"}}));
  EXPECT_NO_THROW(set("block_fp", {{"weight_block_size", "4,4"}}));
}

TEST(SharedScales, CalibratedOnesAreTaken) {
  Model model = small_bert();
  Quantization formats = with_data(model, "affine", {{"granularity", "tensor"}});
  calibrate_on_data(formats, model, text_samples(random_sequences(20)), {});
  EXPECT_NO_THROW(set_formats(model, formats));
  expect_alone_as_in_batch(model, Mode::eager);
  pack_weights(model);
  expect_alone_as_in_batch(model, Mode::compiled);
}

// A graph that somebody edited.
TEST(SharedScales, OfLoadedModelsAreRefused) {
  const ScratchDirectory scratch;
  Model model = small_bert();
  set_formats(model, with_data(model, "affine", {{"bias_format", "none"}}));
  apply_formats(model.graph, with_data(model, "affine", {{"data_in_granularity", "tensor"}}));
  save_model(scratch.path() / "m", model, model.tensors);
  EXPECT_ERROR(load_model({.name = (scratch.path() / "m").string()}), ErrorCode::invalid_argument,
               "texts beside it", "granularity = channel");
}

}  // namespace
}  // namespace hone_test
