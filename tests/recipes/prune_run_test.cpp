// Pruning from names to directories: sparsity that grows while training, runs that stop and go on.
#include <cstring>

#include <gtest/gtest.h>

#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/data/review_generator.hpp"
#include "hone/data/tokenizer.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/frontends/saved_model.hpp"
#include "hone/graph/text.hpp"
#include "hone/passes/packing.hpp"
#include "hone/passes/prune.hpp"
#include "hone/recipes/prune_run.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"
#include "support/thread_scope.hpp"

namespace hone_test {
namespace {

using namespace hone;
namespace fs = std::filesystem;

class PruneRun : public testing::Test {
protected:
  PruneRun() {
    const Tokenizer tokenizer = Tokenizer::from_words(review_words());
    ModelRequest request;
    request.name = "bert-tiny";
    request.settings = {{"hidden_size", "32"},
                        {"num_hidden_layers", "1"},
                        {"num_attention_heads", "2"},
                        {"intermediate_size", "64"}};
    request.vocab_size = tokenizer.vocab_size();
    request.label_names = {"negative", "positive"};
    const Model model = load_model(request);
    save_model(scratch_.path() / "m", model, model.tensors, {},
               [&](const fs::path& folder) { tokenizer.save(folder); });
  }

  PruneRequest request(const std::string& out, double sparsity,
                       const std::string& method = "l1") const {
    PruneRequest made;
    made.model = (scratch_.path() / "m").string();
    made.out = scratch_.path() / out;
    PruneSelection selection;
    selection.method = method;
    selection.sparsity = sparsity;
    made.selections = {selection};
    made.data = "reviews";
    made.data_settings = {{"samples", "120"}};
    made.samples = 16;
    return made;
  }

  static TrainRequest training(std::int64_t steps) {
    TrainRequest made;
    made.data = "reviews";
    made.settings.data = {{"samples", "120"}};
    made.settings.values.set("steps", steps);
    made.settings.values.set("lr", 1e-3);
    made.settings.values.set("checkpoint_every", std::int64_t{1});
    return made;
  }

  Model load(const std::string& name) const {
    return load_model({.name = (scratch_.path() / name).string()});
  }

  ScratchDirectory scratch_;
  ThreadScope threads_{1};
};

void expect_equal_models(const Model& a, const Model& b) {
  EXPECT_EQ(print_graph(a.graph), print_graph(b.graph));
  for (const std::string& name : a.tensors.names())
    EXPECT_EQ(std::memcmp(a.tensors.at(name).data(), b.tensors.at(name).data(),
                          a.tensors.at(name).bytes()),
              0)
        << name;
}

TEST_F(PruneRun, EveryMethodDropsExactlyWhatIsAsked) {
  for (const char* method : {"random", "l1", "l2", "movement", "snip", "wanda"}) {
    SCOPED_TRACE(method);
    const PruneOutcome outcome = run_pruning(request(method, 0.37, method), {});
    ASSERT_EQ(outcome.layers.size(), 7u);
    const Model model = load(method);
    for (const PrunedLayer& layer : outcome.layers) {
      EXPECT_EQ(layer.dropped, std::llround(0.37 * static_cast<double>(layer.numbers)));
      const auto numbers = model.tensors.at(layer.weight).span<float>();
      EXPECT_GE(std::count(numbers.begin(), numbers.end(), 0.0f), layer.dropped);
    }
    EXPECT_EQ(model.history.size(), 1u);
    EXPECT_NE(model.history[0].find(method), std::string::npos);
    EXPECT_TRUE(fs::exists(scratch_.path() / method / "record.jsonl"));
    EXPECT_EQ(to_json(outcome, "x").at("sparsity").get<double>(),
              static_cast<double>(outcome.dropped) / static_cast<double>(outcome.numbers));
  }
  PruneRequest global = request("global", 0.5);
  global.scope = MaskScope::global;
  const PruneOutcome outcome = run_pruning(global, {});
  EXPECT_EQ(outcome.dropped, std::llround(0.5 * static_cast<double>(outcome.numbers)));
  EXPECT_NE(outcome.layers[0].dropped * outcome.layers[5].numbers,
            outcome.layers[5].dropped * outcome.layers[0].numbers);
}

// The masks of checkpoints on the way: none, then more and more, then all of it.
TEST_F(PruneRun, SparsityGrowsAsTheScheduleSays) {
  for (const bool cubic : {true, false}) {
    SCOPED_TRACE(cubic);
    const std::string out = cubic ? "cubic" : "linear";
    PruneRequest made = request(out, 0.8);
    made.training = training(21);
    made.gradual = GradualRequest{.cubic = cubic, .begin = 0.2, .end = 0.8, .every = 1};
    std::vector<double> shares;
    RunWatcher watcher;
    watcher.on_checkpoint = [&](const fs::path& folder, std::int64_t) {
      const Model model = load_model({.name = folder.string()});
      std::int64_t dropped = 0, numbers = 0;
      for (const auto& [weight, mask] : masks_of(model.graph)) {
        dropped += dropped_count(model.tensors.at(mask));
        numbers += model.tensors.at(mask).size();
      }
      shares.push_back(static_cast<double>(dropped) / static_cast<double>(numbers));
    };
    const PruneOutcome outcome = run_pruning(made, watcher);
    ASSERT_EQ(shares.size(), 21u);
    // Steps 5 to 17 (of 21, from 1) are the way.
    for (int step = 1; step <= 21; ++step) {
      const double way = std::min(1.0, std::max(0.0, (step - 5) / 12.0));
      const double asked = 0.8 * (cubic ? 1 - std::pow(1 - way, 3) : way);
      EXPECT_NEAR(shares[static_cast<std::size_t>(step - 1)], asked, 1e-3) << step;
    }
    for (const PrunedLayer& layer : outcome.layers)
      EXPECT_EQ(layer.dropped, std::llround(0.8 * static_cast<double>(layer.numbers)));
    // Behind the masks are zeros, whatever momentum there was.
    const Model model = load(out);
    for (const auto& [weight, mask] : masks_of(model.graph))
      for (std::int64_t i = 0; i < model.tensors.at(mask).size(); ++i)
        if (model.tensors.at(mask).as<std::uint8_t>()[i] == 0)
          ASSERT_EQ(model.tensors.at(weight).as<float>()[i], 0.0f);
  }
}

TEST_F(PruneRun, RunsThatStopGoOnBitForBit) {
  for (const char* method : {"l1", "snip"}) {
    SCOPED_TRACE(method);
    const auto made = [&](const std::string& out) {
      PruneRequest each = request(out, 0.7, method);
      each.training = training(12);
      each.gradual = GradualRequest{.cubic = true, .begin = 0, .end = 0.75, .every = 2};
      return each;
    };
    const std::string whole = std::string("whole-") + method;
    const std::string parts = std::string("parts-") + method;
    EXPECT_TRUE(run_pruning(made(whole), {}).training->result.finished);
    PruneRequest first = made(parts);
    int steps = 0;
    RunWatcher stops;
    stops.on_step = [&](const StepReport&) { ++steps; };
    stops.stop = [&] { return steps >= 5; };
    EXPECT_FALSE(run_pruning(first, stops).training->result.finished);
    EXPECT_FALSE(is_saved_model(first.out));
    // With another sparsity it is another run.
    PruneRequest other = first;
    other.training->resume = true;
    other.selections[0].sparsity = 0.6;
    EXPECT_ERROR(run_pruning(other, {}), ErrorCode::invalid_argument, "other options");
    // ... or another way there.
    other = first;
    other.training->resume = true;
    other.gradual->cubic = false;
    EXPECT_ERROR(run_pruning(other, {}), ErrorCode::invalid_argument, "changes");
    first.training->resume = true;
    EXPECT_TRUE(run_pruning(first, {}).training->result.finished);
    expect_equal_models(load(whole), load(parts));
  }
}

TEST_F(PruneRun, PruningGoesOnFromWhatIsPruned) {
  run_pruning(request("half", 0.5), {});
  PruneRequest more = request("more", 0.75);
  more.model = (scratch_.path() / "half").string();
  more.training = training(8);
  more.gradual = GradualRequest{.cubic = false, .begin = 0, .end = 0.5, .every = 1};
  double least = 1;
  RunWatcher watcher;
  watcher.on_checkpoint = [&](const fs::path& folder, std::int64_t) {
    const Model model = load_model({.name = folder.string()});
    for (const auto& [weight, mask] : masks_of(model.graph))
      least = std::min(least, mask_sparsity(model.tensors.at(mask)));
  };
  run_pruning(more, watcher);
  EXPECT_GE(least, 0.5);
  const Model before = load("half"), after = load("more");
  for (const auto& [weight, mask] : masks_of(before.graph))
    for (std::int64_t i = 0; i < before.tensors.at(mask).size(); ++i)
      EXPECT_LE(after.tensors.at(mask).as<std::uint8_t>()[i],
                before.tensors.at(mask).as<std::uint8_t>()[i]);
  EXPECT_EQ(after.history.size(), 2u);
}

// Of other weights, of other groups, by another rule: what is dropped stays dropped.
TEST_F(PruneRun, LaterPruningKeepsWhatIsDropped) {
  const auto prune = [&](const std::string& model, const std::string& out, const char* granularity,
                         std::optional<double> sparsity, const char* method = "l1") {
    PruneRequest made = request(out, 0, method);
    made.model = (scratch_.path() / model).string();
    made.measure = false;
    made.selections[0].granularity = parse_mask_granularity(granularity);
    made.selections[0].sparsity = sparsity;
    made.mase = std::string(method) == "random";
    return run_pruning(made, {});
  };
  EXPECT_EQ(prune("m", "heads", "head", 0.5).layers.size(), 4u);
  EXPECT_EQ(prune("heads", "both", "neuron", 0.5).layers.size(), 6u) << "heads and neurons";
  EXPECT_EQ(prune("m", "half", "element", 0.5).layers.size(), 7u);
  for (const char* granularity : {"element", "row", "4x4", "2:4", "head", "neuron"}) {
    SCOPED_TRACE(granularity);
    const std::optional<double> sparsity =
        std::string(granularity) == "2:4" ? std::nullopt : std::optional(0.6);
    const char* method = std::string(granularity) == "element" ? "random" : "l1";
    EXPECT_EQ(prune("half", granularity, granularity, sparsity, method).layers.size(), 7u);
    const Model before = load("half"), after = load(granularity);
    std::int64_t more = 0;
    for (const auto& [weight, mask] : masks_of(before.graph)) {
      const Tensor& old = before.tensors.at(mask);
      const Tensor& now = after.tensors.at(mask);
      more += dropped_count(now) - dropped_count(old);
      for (std::int64_t i = 0; i < old.size(); ++i)
        ASSERT_LE(now.as<std::uint8_t>()[i], old.as<std::uint8_t>()[i]) << weight;
    }
    EXPECT_GT(more, 0);
  }
  EXPECT_ERROR(prune("half", "less", "element", 0.3), ErrorCode::invalid_argument,
               "changes nothing");
  // Gradually: masks stand before the weights of heads alone.
  PruneRequest gradual = request("gradual", 0.5);
  gradual.selections[0].granularity = parse_mask_granularity("head");
  gradual.training = training(3);
  gradual.gradual = GradualRequest{};
  EXPECT_EQ(run_pruning(gradual, {}).layers.size(), 4u);
}

// What is in the folder of a run that stopped is that run's until it is replaced.
TEST_F(PruneRun, AnotherRequestLeavesAStoppedRunAlone) {
  const auto made = [&](double sparsity) {
    PruneRequest each = request("run", sparsity);
    each.training = training(6);
    each.measure = false;
    return each;
  };
  int steps = 0;
  RunWatcher stops;
  stops.on_step = [&](const StepReport&) { ++steps; };
  stops.stop = [&] { return steps >= 2; };
  EXPECT_FALSE(run_pruning(made(0.5), stops).training->result.finished);
  const Model masked = load("run/masked");
  EXPECT_ERROR(run_pruning(made(0.8), {}), ErrorCode::invalid_argument, "already holds a run");
  PruneRequest replaces = made(0.8);
  replaces.training->overwrite = true;
  {
    const FolderLock lock(scratch_.path() / "run" / "training");
    EXPECT_ERROR(run_pruning(replaces, {}), ErrorCode::io, "another hone");
  }
  {
    const FolderLock lock(scratch_.path() / "run");
    EXPECT_ERROR(run_pruning(replaces, {}), ErrorCode::io, "another hone");
  }
  expect_equal_models(load("run/masked"), masked);
  EXPECT_EQ(load("run/masked").history, masked.history);
  // Another model of the same shapes, then the one it began with.
  Model other = load("m");
  for (const char* name : {"classifier.weight", "bert.pooler.dense.bias"}) {
    Tensor& tensor = other.tensors.at(name);
    tensor = tensor.clone();
    tensor.as<float>()[1] += 0.5f;
  }
  save_model(scratch_.path() / "m2", other, other.tensors, {},
             [&](const fs::path& folder) { Tokenizer::load(scratch_.path() / "m").save(folder); });
  PruneRequest resumes = made(0.5);
  resumes.training->resume = true;
  resumes.model = (scratch_.path() / "m2").string();
  EXPECT_ERROR(run_pruning(resumes, {}), ErrorCode::invalid_argument, "another model");
  resumes.model = (scratch_.path() / "m").string();
  const PruneOutcome outcome = run_pruning(resumes, {});
  EXPECT_TRUE(outcome.training->result.finished);
  EXPECT_EQ(outcome.dropped, outcome.numbers / 2);
  // Masks of one request and a checkpoint of another are not taken for one run.
  const auto stopped = [&](double sparsity, const char* out) {
    PruneRequest each = made(sparsity);
    each.out = scratch_.path() / out;
    steps = 0;
    EXPECT_FALSE(run_pruning(each, stops).training->result.finished);
  };
  stopped(0.5, "half");
  stopped(0.8, "more");
  fs::remove_all(scratch_.path() / "half" / "masked");
  fs::rename(scratch_.path() / "more" / "masked", scratch_.path() / "half" / "masked");
  PruneRequest mixed = made(0.8);
  mixed.out = scratch_.path() / "half";
  mixed.training->resume = true;
  EXPECT_ERROR(run_pruning(mixed, {}), ErrorCode::invalid_argument, "changes");
}

TEST_F(PruneRun, WhatChangesNothingOrCannotBeIsRefused) {
  run_pruning(request("half", 0.5), {});
  PruneRequest again = request("again", 0.5);
  again.model = (scratch_.path() / "half").string();
  EXPECT_ERROR(run_pruning(again, {}), ErrorCode::invalid_argument, "changes nothing");
  EXPECT_ERROR(run_pruning(request("none", 0.0), {}), ErrorCode::invalid_argument,
               "changes nothing");
  EXPECT_ERROR(run_pruning(request("all", 1.0), {}), ErrorCode::invalid_argument, "no number");
  EXPECT_ERROR(run_pruning(request("out", 1.5), {}), ErrorCode::invalid_argument, "outside 0 to 1");
  PruneRequest empty = request("empty", 1.0);
  empty.allow_empty = true;
  EXPECT_EQ(run_pruning(empty, {}).dropped, run_pruning(
                                                [&] {
                                                  PruneRequest other = empty;
                                                  other.out = scratch_.path() / "empty2";
                                                  return other;
                                                }(),
                                                {})
                                                .numbers);
  PruneRequest gradual = request("gradual", 0.5);
  gradual.gradual = GradualRequest{};
  EXPECT_ERROR(run_pruning(gradual, {}), ErrorCode::invalid_argument, "needs training");
  gradual.training = training(4);
  gradual.training->settings.values.set("keep", std::string("best"));
  EXPECT_ERROR(run_pruning(gradual, {}), ErrorCode::invalid_argument, "keep changes nothing");
  PruneRequest mase = request("mase", 0.5, "l2");
  mase.mase = true;
  EXPECT_ERROR(run_pruning(mase, {}), ErrorCode::invalid_argument, "rule mase has no method l2");
  PruneRequest blind = request("blind", 0.5, "snip");
  blind.data = "";
  EXPECT_ERROR(run_pruning(blind, {}), ErrorCode::invalid_argument, "by data");
  for (const char* name : {"again", "none", "all", "out", "gradual", "mase", "blind"})
    EXPECT_FALSE(fs::exists(scratch_.path() / name)) << name << ": nothing is written";
}

// Rule mase on a model: the quantile of each weight, or of all.
TEST_F(PruneRun, RuleMaseDropsWhatIsNotAboveTheQuantile) {
  const Model plain = load("m");
  PruneRequest made = request("mase", 0.5);
  made.mase = true;
  const PruneOutcome outcome = run_pruning(made, {});
  for (const PrunedLayer& layer : outcome.layers) {
    std::vector<float> sizes;
    for (const float w : plain.tensors.at(layer.weight).span<float>())
      sizes.push_back(std::fabs(w));
    std::sort(sizes.begin(), sizes.end());
    const std::size_t n = sizes.size();
    const float threshold = sizes[n / 2] - (sizes[n / 2] - sizes[n / 2 - 1]) * 0.5f;
    EXPECT_EQ(layer.dropped,
              std::count_if(sizes.begin(), sizes.end(), [&](float w) { return w <= threshold; }));
  }
}

TEST_F(PruneRun, BudgetsAreReadAndTheirFaultsNamed) {
  const std::string file = scratch_.write("budget.toml", R"(
[[prune]]
nodes = "layer0.q,layer0.k"
sparsity = 0.25
[[prune]]
nodes = "bert.pooler.dense"
sparsity = 0
[[prune]]
granularity = "2:4"
method = "l2"
)");
  PruneRequest made = request("budget", 0.5);
  made.selections = load_budget_file(file, {});
  ASSERT_EQ(made.selections.size(), 3u);
  const PruneOutcome outcome = run_pruning(made, {});
  ASSERT_EQ(outcome.layers.size(), 6u) << "the pooler is left as it is";
  for (const PrunedLayer& layer : outcome.layers) {
    const bool few = layer.weight.find("query") != std::string::npos ||
                     layer.weight.find("key") != std::string::npos;
    EXPECT_EQ(layer.dropped * 4, layer.numbers * (few ? 1 : 2)) << layer.weight;
  }
  const auto fails = [&](const std::string& text, const char* message) {
    EXPECT_ERROR(load_budget_file(scratch_.write("bad.toml", text), {}), ErrorCode::bad_format,
                 message);
  };
  fails("[[prunes]]\n", "unknown key 'prunes'");
  fails("x = 1\n", "unknown key 'x'");
  fails("", "no table [[prune]]");
  fails("[[prune]]\nsparsity = 2\n", "line 2");
  fails("[[prune]]\nmethod = \"l3\"\n", "line 2: unknown pruning method 'l3'");
  fails("[[prune]]\nsparsty = 0.5\n", "unknown key 'sparsty'");
  made.out = scratch_.path() / "budget2";
  made.selections = load_budget_file(
      scratch_.write(
          "late.toml",
          "[[prune]]\nsparsity = 0.5\n[[prune]]\nnodes = \"layer0.q\"\nsparsity = 0.1\n"),
      {});
  EXPECT_ERROR(run_pruning(made, {}), ErrorCode::invalid_argument, "line 3");
}

}  // namespace
}  // namespace hone_test
