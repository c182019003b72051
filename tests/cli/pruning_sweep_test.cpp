// The recipe pruning_sweep: a killed sweep continues and ends with the same results.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.hpp"
#include "hone/record/record.hpp"

namespace hone_test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

const std::string small_sweep_of_sparsities = R"(recipe = "pruning_sweep"
name = "sweep"
model = "bert-tiny"
data = "reviews"
sparsities = [0.5, 0.25]
steps = 20
lr = 1e-3
tune_steps = 40
tune_lr = 5e-4
tune_checkpoint_every = 5
threads = 1
[model_options]
num_hidden_layers = 1
hidden_size = 32
intermediate_size = 64
[data_options]
samples = 240
test_samples = 40
[[curves]]
name = "random, weights and activations"
method = "random"
rule = "mase"
activations = true
steps = 10
[[curves]]
name = "L1"
against = "random, weights and activations"
[[curves]]
name = "neurons"
granularity = "neuron"
remove = true
sparsities = 0.5
)";

std::vector<std::string> pruning_points_in(const fs::path& record) {
  std::vector<std::string> points;
  for (const auto& line : hone::Record::read(record))
    if (line.at("event") == "pruning_point")
      points.push_back(fmt::format("{} {} {}", line.at("kind").get<std::string>(),
                                   line.value("curve", ""), line.value("sparsity", 0.0)));
  return points;
}

// All results but the latencies.
std::string measured_in(const fs::path& result) {
  auto json = hone::parse_json(hone::read_file(result));
  for (auto& point : json.at("points").elements())
    for (const char* name : {"latency", "latency_low", "latency_high", "float_latency", "speed",
                             "speedup", "speedup_low", "speedup_high"})
      point.erase(name);
  return json.dump();
}

TEST(PruningSweep, AKilledSweepEndsWithTheSameResults) {
  const ScratchDirectory whole, killed;
  whole.write("small.toml", small_sweep_of_sparsities);
  killed.write("small.toml", small_sweep_of_sparsities);
  const Outcome uninterrupted = run_hone(whole, {"run", "small.toml"});
  ASSERT_EQ(uninterrupted.code, 0) << uninterrupted.err;
  const fs::path out = killed.path() / "runs/sweep/seed-0";
  {
    const Program program(killed, {"run", "small.toml"});
    // In the middle of a training behind masks.
    program.signal_when(
        [&] { return fs::exists(out / "l1/0.5/tuned/training/last/hone_state.json"); }, SIGKILL);
    ASSERT_EQ(program.wait().signal, SIGKILL);
  }
  ASSERT_FALSE(fs::exists(out / "l1/0.5/tuned/result.json"));
  const Outcome continued = run_hone(killed, {"run", "small.toml"});
  ASSERT_EQ(continued.code, 0) << continued.err;
  EXPECT_THAT(continued.err, HasSubstr("L1 at 0.5, pruned: already finished"));
  EXPECT_EQ(measured_in(killed.path() / "runs/sweep/result.json"),
            measured_in(whole.path() / "runs/sweep/result.json"));
  bool resumed = false;
  for (const auto& line : hone::Record::read(out / "l1/0.5/tuned/training/record.jsonl"))
    resumed = resumed || line.at("event") == "resume";
  EXPECT_TRUE(resumed);
  const fs::path record = killed.path() / "runs/sweep/record.jsonl";
  const std::vector<std::string> points = pruning_points_in(record);
  // (The neurons at one of both sparsities.)
  EXPECT_EQ(points.size(), 1u + 5 * 3);
  EXPECT_EQ(std::set<std::string>(points.begin(), points.end()).size(), points.size());
  EXPECT_EQ(points.front(), "float  0");
  // Done: nothing is computed or written again; one more sparsity is two more pairs.
  const std::string before = hone::read_file(record);
  ASSERT_EQ(run_hone(killed, {"run", "small.toml"}).code, 0);
  EXPECT_EQ(hone::read_file(record), before);
  ASSERT_EQ(run_hone(killed, {"run", "small.toml", "--set", "sparsities=0.5,0.25,0.75"}).code, 0);
  EXPECT_EQ(pruning_points_in(record).size(), 1u + 7 * 3);
  // What is kept of a point is its model, which runs like any; its checkpoints are gone.
  EXPECT_FALSE(fs::exists(out / "l1/0.5/tuned/training/last"));
  const Outcome eval =
      run_hone(killed, {"eval", "runs/sweep/seed-0/l1/0.5/tuned/model", "--data", "reviews",
                        "--set", "data.test_samples=40", "--json", "e.json"});
  ASSERT_EQ(eval.code, 0) << eval.err;
  const auto point = hone::parse_json(hone::read_file(out / "l1/0.5/tuned/result.json"));
  EXPECT_EQ(hone::parse_json(hone::read_file(killed.path() / "e.json")).at("accuracy"),
            point.at("accuracy"));
  // Half of the weights of one layer: q, k, v, the projection, both of the feed-forward part, the
  // pooler.
  EXPECT_EQ(point.at("dropped"), (5 * 32 * 32 + 2 * 32 * 64) / 2);
  EXPECT_TRUE(point.contains("p_against"));
  const auto neurons = hone::parse_json(hone::read_file(out / "neurons/0.5/tuned/result.json"));
  EXPECT_EQ(point.at("parameters").get<int>() - neurons.at("parameters").get<int>(),
            32 * (2 * 32 + 1));
  EXPECT_EQ(neurons.at("dropped"), 0);
  const auto speed = hone::parse_json(hone::read_file(out / "neurons/0.5/speed/result.json"));
  EXPECT_GT(speed.at("latency").get<double>(), 0);
  EXPECT_EQ(speed.at("bytes_on_disk").get<std::int64_t>(),
            static_cast<std::int64_t>(
                fs::file_size(out / "neurons/0.5/tuned/model/hone_model.safetensors")));
  EXPECT_THAT(run_hone(killed, {"report", "runs/sweep", "-o", "r.html"}).out,
              AllOf(HasSubstr("Accuracy by sparsity"), HasSubstr("random, weights and activations"),
                    HasSubstr("75 %")));
}

TEST(PruningSweep, BadInputIsSaidBeforeAnyWork) {
  const ScratchDirectory scratch;
  const auto error_of = [&](const std::string& from, const std::string& to) {
    std::string text = small_sweep_of_sparsities;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    scratch.write("small.toml", text);
    const Outcome outcome = run_hone(scratch, {"run", "small.toml"});
    EXPECT_EQ(outcome.code, 1) << outcome.err;
    EXPECT_FALSE(fs::exists(scratch.path() / "runs")) << outcome.err;
    return outcome.err;
  };
  EXPECT_THAT(error_of("[0.5, 0.25]", "[0.5, 1.5]"), HasSubstr("key 'sparsities'"));
  EXPECT_THAT(error_of("[0.5, 0.25]", "[0.5, 0]"), HasSubstr("nothing is pruned at 0"));
  EXPECT_THAT(error_of("[0.5, 0.25]", "[0.5, 0.5]"), HasSubstr("0.5 is named twice"));
  EXPECT_THAT(error_of("sparsities = [0.5, 0.25]", "sparsities = [0.5]\ntokens = 5000"),
              AllOf(HasSubstr("key 'tokens'"), HasSubstr("the model takes 512")));
  EXPECT_THAT(error_of("name = \"L1\"", "name = \"L1\"\nrule = \"mase\"\ngranularity = \"row\""),
              AllOf(HasSubstr("line 2"), HasSubstr("rule mase has no granularity row")));
  EXPECT_THAT(error_of("method = \"random\"", "method = \"ranom\""), HasSubstr("random"));
  EXPECT_THAT(error_of("rule = \"mase\"\n", ""), HasSubstr("rule mase alone"));
  EXPECT_THAT(error_of("granularity = \"neuron\"\n", ""), HasSubstr("no structure to take out"));
  EXPECT_THAT(error_of("\"neuron\"", "\"2:4\""), HasSubstr("brings its own sparsity"));
  EXPECT_THAT(error_of("\"neuron\"", "\"nuron\""), AllOf(HasSubstr("line 28"), HasSubstr("nuron")));
  EXPECT_THAT(error_of("against = \"random, weights and activations\"", "against = \"random\""),
              HasSubstr("no curve 'random' before it"));
  EXPECT_THAT(error_of("name = \"neurons\"", "name = \"l1\""), HasSubstr("are alike"));
  EXPECT_THAT(error_of("name = \"L1\"", "nodes = \"layer9\""), HasSubstr("key 'name' is missing"));
  EXPECT_THAT(error_of("name = \"L1\"", "name = \"L1\"\nnodes = \"layer9\""),
              HasSubstr("matches no node"));
  EXPECT_THAT(error_of("[[curves]]\nname = \"L1\"", "[[curve]]\nname = \"L1\""),
              AllOf(HasSubstr("unknown list [[curve]]"), HasSubstr("'curves'")));
  EXPECT_THAT(error_of("name = \"L1\"", "name = \"L1\"\nsparsity = 0.5"),
              AllOf(HasSubstr("unknown key 'sparsity'"), HasSubstr("line 27")));
  scratch.write("none.toml",
                small_sweep_of_sparsities.substr(0, small_sweep_of_sparsities.find("[[curves]]")));
  EXPECT_THAT(run_hone(scratch, {"run", "none.toml"}).err, HasSubstr("has no table [[curves]]"));
  // Of lists that a recipe does not take.
  scratch.write("train.toml",
                "recipe = \"train\"\nname = \"t\"\nmodel = \"bert-tiny\"\ndata = \"reviews\"\n"
                "[[curves]]\nname = \"x\"\n");
  EXPECT_THAT(run_hone(scratch, {"run", "train.toml"}).err, HasSubstr("unknown list [[curves]]"));
}

}  // namespace
}  // namespace hone_test
