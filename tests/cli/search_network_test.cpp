// hone search over networks, as a user runs it.
#include <gtest/gtest.h>

#include "cli/program.hpp"
#include "hone/core/json.hpp"

namespace hone_test {
namespace {

namespace fs = std::filesystem;
using hone::Json;

const char* const search_file = R"(recipe = "search"
name = "nas"
model = "bert-tiny"
data = "reviews"
objectives = ["accuracy", "bytes"]
sampler = "random"
trials = 3
steps = 60
batch = 8
lr = 1e-3
max_length = 48
checkpoint_every = 10
[data_options]
samples = 300
test_samples = 60
[space]
num_hidden_layers = [1, 2]
warmup = { low = 0, high = 10 }
[[space.nodes]]
nodes = "linear"
bypass = [false, true]
[[space.nodes]]
nodes = "layer0.wide"
format = ["none", "integer"]
width = [8, 4]
frac_width = 3
sparsity = [0, 0.5]
)";

Json trials_of(const ScratchDirectory& folder) {
  const Outcome outcome =
      run_hone(folder, {"study", "trials", "sqlite:runs/nas/study.db", "--json", "-"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return hone::parse_json(outcome.out);
}

// What a trial is and came to, without its times and its owner.
std::string results_of(const Json& trials) {
  std::string text;
  for (const Json& trial : trials)
    text += trial.at("params").dump() + " " + trial.at("values").dump() + " " +
            trial.at("state").dump() + "\n";
  return text;
}

TEST(SearchOfNetworks, AKilledSearchEndsWithTheSameResults) {
  const ScratchDirectory whole, killed;
  for (const ScratchDirectory* folder : {&whole, &killed}) folder->write("nas.toml", search_file);
  const Outcome straight = run_hone(whole, {"search", "nas.toml"});
  ASSERT_EQ(straight.code, 0) << straight.err;
  EXPECT_NE(straight.out.find("test split, once"), std::string::npos) << straight.out;
  // Killed in the middle of a trial's training, twice.
  for (int kill = 0; kill < 2; ++kill) {
    Program program(killed, {"search", "nas.toml"});
    int seen = 0;
    program.signal_when(
        [&] {
          std::error_code error;
          int checkpoints = 0;
          for (const auto& point : fs::directory_iterator(killed.path() / "runs/nas/points", error))
            checkpoints += fs::exists(point.path() / "training/last") ? 1 : 0;
          seen += checkpoints > 0 ? 1 : 0;
          return seen > 3 + 5 * kill;
        },
        SIGKILL);
    EXPECT_EQ(program.wait().signal, SIGKILL);
  }
  const Outcome rest = run_hone(killed, {"search", "nas.toml"});
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_EQ(results_of(trials_of(killed)), results_of(trials_of(whole)));
  // The models of the front are there, equal to the last bit; others are gone.
  int models = 0;
  for (const auto& point : fs::directory_iterator(whole.path() / "runs/nas/points")) {
    const fs::path other = killed.path() / "runs/nas/points" / point.path().filename();
    ASSERT_TRUE(fs::exists(other));
    EXPECT_EQ(fs::exists(other / "model"), fs::exists(point.path() / "model"));
    if (!fs::exists(point.path() / "model")) continue;
    ++models;
    for (const char* file : {"hone_model.safetensors", "model.safetensors"})
      if (fs::exists(point.path() / "model" / file)) {
        EXPECT_EQ(hone::read_file(point.path() / "model" / file),
                  hone::read_file(other / "model" / file));
      }
  }
  EXPECT_GT(models, 0);
  // The same command again has nothing to do; more trials are only those that are missing.
  ASSERT_EQ(run_hone(whole, {"search", "nas.toml"}).code, 0);
  EXPECT_EQ(trials_of(whole).size(), 3u);
  ASSERT_EQ(run_hone(whole, {"search", "nas.toml", "--trials", "4"}).code, 0);
  EXPECT_EQ(trials_of(whole).size(), 4u);
}

TEST(SearchOfNetworks, WhatHasNoEffectIsRefusedBeforeAnything) {
  const ScratchDirectory folder;
  const auto refused = [&](const std::string& from, const std::string& to,
                           const std::string& message) {
    std::string text = search_file;
    ASSERT_NE(text.find(from), std::string::npos);
    text.replace(text.find(from), from.size(), to);
    folder.write("nas.toml", text);
    const Outcome outcome = run_hone(folder, {"search", "nas.toml"});
    EXPECT_EQ(outcome.code, 1) << to;
    EXPECT_NE(outcome.err.find(message), std::string::npos) << outcome.err;
    EXPECT_FALSE(fs::exists(folder.path() / "runs/nas/study.db"));
  };
  refused("num_hidden_layers = [1, 2]", "num_layers = [1, 2]", "num_layers");
  refused("warmup = { low = 0, high = 10 }", "lr = [1e-3]", "no effect");
  refused("nodes = \"layer0.wide\"", "nodes = \"layer7.wide\"", "matches no node");
  refused("sparsity = [0, 0.5]", "sparcity = [0, 0.5]", "sparcity");
  refused("[\"accuracy\", \"bytes\"]", "[\"accuracy\", \"byte\"]", "byte");
  refused("[space]", "[spaces]", "spaces");
}

}  // namespace
}  // namespace hone_test
