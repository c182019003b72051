// What is measured of a pruned model, and what is said of it.
#include "hone/recipes/prune_verdict.hpp"

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hone/graph/text.hpp"
#include "hone/passes/packing.hpp"
#include "hone/passes/prune.hpp"
#include "hone/passes/remove.hpp"
#include "hone/passes/select_formats.hpp"
#include "support/expect_error.hpp"
#include "support/small_bert.hpp"

namespace hone_test {
namespace {

using namespace hone;
using testing::HasSubstr;

const std::string layer0 = "bert.encoder.layer.0.";

// Masks every linear weight but the classifier: keeps one number of `of`, scattered.
Model scattered(std::int64_t of) {
  Model model = small_bert();
  std::map<std::string, Tensor> masks;
  for (const std::string& name : weights_of_nodes(model.graph, prunable_nodes(model.graph, ""))) {
    Tensor keep(DType::u8, model.tensors.at(name).shape());
    for (std::int64_t i = 0; i < keep.size(); ++i)
      keep.as<std::uint8_t>()[i] = (i + 5 * (i / keep.shape()[1])) % of == 0;
    masks[name] = keep;
  }
  set_masks(model, masks);
  return model;
}

Model without_neurons(std::int64_t kept) {
  Model model = small_bert();
  const std::string name = layer0 + "output.dense.weight";
  Tensor keep(DType::u8, model.tensors.at(name).shape());
  for (std::int64_t i = 0; i < keep.size(); ++i)
    keep.as<std::uint8_t>()[i] = i % keep.shape()[1] < kept;
  set_masks(model, {{name, keep}});
  return model;
}

std::vector<std::string> names_of(const PruningVerdict& verdict) {
  std::vector<std::string> names;
  for (const Latency& latency : verdict.latencies) names.push_back(latency.name);
  return names;
}

TEST(PruningVerdict, DenseAndMaskedAndWhatCouldBeRemoved) {
  const PruningVerdict half = judge_pruning(scattered(2), nullptr, 0);
  EXPECT_EQ(names_of(half), (std::vector<std::string>{"dense", "masked"}));
  EXPECT_EQ(half.tokens, 80) << "the model's limit";
  EXPECT_EQ(half.products, 14);
  EXPECT_EQ(half.sparse, 0);
  EXPECT_THAT(half.dense_because, HasSubstr("density 0.5"));
  EXPECT_THAT(half.text, HasSubstr("than dense"));
  EXPECT_THAT(half.text, HasSubstr(half.dense_because));
  EXPECT_FALSE(half.removed);

  const Model masked = without_neurons(2);
  const PruningVerdict neurons = judge_pruning(masked, nullptr, 12);
  EXPECT_EQ(neurons.tokens, 12);
  // (Half of its products have few numbers left: sparse kernels take them.)
  EXPECT_EQ(names_of(neurons), (std::vector<std::string>{"dense", "masked", "sparse", "removed"}));
  EXPECT_GT(neurons.sparse, 0);
  Model removed = masked;
  remove_structures(removed);
  const PruningVerdict after = judge_pruning(masked, &removed, 12);
  EXPECT_TRUE(after.removed);
  EXPECT_EQ(names_of(after), names_of(neurons));
  EXPECT_THAT(after.text, HasSubstr("dense"));
  EXPECT_EQ(after.text.find("hone prune --remove"), std::string::npos);
  EXPECT_ERROR(judge_pruning(masked, nullptr, 81), ErrorCode::invalid_argument, "81 tokens");
}

TEST(PruningVerdict, FieldsOfRecords) {
  PrunedEvent event;
  const PruningVerdict verdict = judge_pruning(without_neurons(2), nullptr, 8);
  add_verdict(event, verdict);
  const Json line = to_line(event);
  EXPECT_EQ(line.at("verdict").text(), verdict.text);
  EXPECT_EQ(line.at("latency_tokens"), 8);
  EXPECT_EQ(line.at("latency_threads"), verdict.threads);
  EXPECT_EQ(line.at("products"), 14);
  ASSERT_EQ(line.at("latency").size(), 4u);
  for (const Json& entry : line.at("latency")) {
    EXPECT_GT(entry.at("median").get<double>(), 0);
    EXPECT_GE(entry.at("rounds").get<std::int64_t>(), 7);
    EXPECT_EQ(entry.contains("speedup"), entry.at("name").text() != "dense");
  }
}

// The dense side has the same numbers and neither masks nor pruned data; packed bits stay bits.
TEST(PruningVerdict, DroppedPruningLeavesTheNumbers) {
  for (const bool packed : {false, true}) {
    Model model = scattered(3);
    prune_data(model, {"layer0.wide"}, {.sparsity = 0.5});
    if (packed) {
      set_formats(model, select_formats(model.graph, {{"linear", "mxint", {}}}));
      pack_weights(model);
    }
    Model dense = model;
    drop_pruning(dense);
    EXPECT_TRUE(masks_of(dense.graph).empty());
    EXPECT_TRUE(pruned_data_of(dense.graph).empty());
    EXPECT_EQ(print_graph(dense.graph).find("mask"), std::string::npos);
    EXPECT_EQ(is_packed(dense.graph), packed);
    EXPECT_FALSE(masks_of(model.graph).empty());
    for (const std::string& name : dense.tensors.names())
      EXPECT_EQ(std::memcmp(dense.tensors.at(name).data(), model.tensors.at(name).data(),
                            dense.tensors.at(name).bytes()),
                0)
          << name;
    const PruningVerdict verdict = judge_pruning(model, nullptr, 8);
    EXPECT_EQ(names_of(verdict), (std::vector<std::string>{"dense", "masked"}));
    EXPECT_THAT(verdict.text, HasSubstr("dropping data takes time"));
  }
}

}  // namespace
}  // namespace hone_test
