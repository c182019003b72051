// hone search with stages in each trial, several studies in one file, weighted objectives, a start
// by sensitivity.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.hpp"
#include "hone/core/json.hpp"

namespace hone_test {
namespace {

namespace fs = std::filesystem;
using hone::Json;
using testing::AllOf;
using testing::HasSubstr;

const char* const staged = R"(recipe = "search"
name = "aware"
model = "bert-tiny"
data = "reviews"
objectives = ["accuracy"]
measure = ["latency"]
sampler = "random"
trials = 2
steps = 40
batch = 8
lr = 1e-3
max_length = 32
threads = 1
[data_options]
samples = 200
test_samples = 60
[space]
num_hidden_layers = [1, 2]
hidden_size = [32, 64]
[[stages]]
do = "prune"
sparsity = 0.5
[[stages]]
do = "quantize"
format = "integer"
format_options = ["width=8", "frac_width=6"]
[[stages]]
do = "train"
steps = 20
lr = 1e-4
[[studies]]
name = "none"
stages = []
[[studies]]
name = "compressed"
stages = ["prune", "quantize"]
[[studies]]
name = "trained again"
)";

Json trials_of(const ScratchDirectory& folder, const std::string& study) {
  const Outcome outcome = run_hone(folder, {"study", "trials", study, "--json", "-"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return hone::parse_json(outcome.out);
}

std::string values_of(const Json& trials) {
  std::string text;
  for (const Json& trial : trials)
    text += trial.at("params").dump() + " " + trial.at("values").dump() + "\n";
  return text;
}

TEST(SearchStages, StudiesOfOneFileShareWhatTheyTrain) {
  const ScratchDirectory folder, killed;
  folder.write("a.toml", staged);
  const Outcome all = run_hone(folder, {"search", "a.toml"});
  ASSERT_EQ(all.code, 0) << all.err;
  const std::string place = "sqlite:runs/aware/study.db#";
  const Json none = trials_of(folder, place + "none");
  const Json compressed = trials_of(folder, place + "compressed");
  const Json again = trials_of(folder, place + "trained again");
  ASSERT_EQ(none.size(), 2u);
  for (std::size_t i = 0; i < none.size(); ++i) {
    // The same sampler and seed: the same networks.
    EXPECT_EQ(none[i].at("params"), compressed[i].at("params"));
    EXPECT_EQ(none[i].at("params"), again[i].at("params"));
    const double bytes = none[i].at("user_attrs").at("bytes").get<double>();
    EXPECT_LT(compressed[i].at("user_attrs").at("bytes").get<double>(), bytes);
    EXPECT_EQ(compressed[i].at("user_attrs").at("bytes"), again[i].at("user_attrs").at("bytes"));
    for (const char* name : {"latency", "latency_low", "accuracy_low", "accuracy_high"})
      EXPECT_TRUE(none[i].at("user_attrs").contains(name)) << name;
    EXPECT_LE(none[i].at("user_attrs").at("accuracy_low").get<double>(),
              none[i].at("values")[0].get<double>());
  }
  // Each network was trained without stages once: its points are those of the study `none`.
  std::set<std::string> of_none, of_others;
  for (const Json& trial : none) of_none.insert(trial.at("user_attrs").at("hone:point").text());
  std::size_t points = 0;
  for (const auto& point : fs::directory_iterator(folder.path() / "runs/aware/points")) {
    points += fs::exists(point.path() / "result.json") ? 1 : 0;
    EXPECT_FALSE(fs::exists(point.path() / "stage-1")) << point.path();
    EXPECT_FALSE(fs::exists(point.path() / "start")) << point.path();
  }
  EXPECT_EQ(points, 3 * of_none.size());
  // Stopped in the middle of a trial's second training: it goes on there, with the same results.
  killed.write("a.toml", staged);
  {
    const Program program(killed, {"search", "a.toml", "--study", place + "trained again"});
    program.signal_when(
        [&] {
          std::error_code error;
          for (const auto& point :
               fs::directory_iterator(killed.path() / "runs/aware/points", error))
            if (fs::exists(point.path() / "stage-3/work/record.jsonl")) return true;
          return false;
        },
        SIGKILL);
    ASSERT_EQ(program.wait().signal, SIGKILL);
  }
  const Outcome rest =
      run_hone(killed, {"search", "a.toml", "--study", place + "trained again", "--jobs", "2"});
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_EQ(values_of(trials_of(killed, place + "trained again")), values_of(again));
  EXPECT_EQ(run_hone(killed, {"study", "list", "sqlite:runs/aware/study.db", "--json", "-"})
                .out.find("none"),
            std::string::npos);
}

TEST(SearchStages, OptionsOfStagesAreParameters) {
  const ScratchDirectory folder;
  std::string text = staged;
  text = text.substr(0, text.find("[[studies]]"));
  text.replace(text.find("[[stages]]"), 0, "\"prune.sparsity\" = [0.25, 0.75]\n");
  text.replace(text.find("sparsity = 0.5\n"), std::string("sparsity = 0.5\n").size(), "");
  text.replace(text.find("hidden_size = [32, 64]\n"),
               std::string("hidden_size = [32, 64]\n").size(), "");
  folder.write("a.toml", text);

  EXPECT_EQ(run_hone(folder, {"search", "a.toml", "--set", "keep_models=none"}).code, 1);
  const Outcome outcome =
      run_hone(folder, {"search", "a.toml", "--trials", "4", "--set", "sampler=grid"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  std::set<double> shares;
  for (const Json& trial : trials_of(folder, "sqlite:runs/aware/study.db"))
    shares.insert(trial.at("params").at("prune.sparsity").get<double>());
  EXPECT_EQ(shares, (std::set<double>{0.25, 0.75}));
}

TEST(SearchStages, BadInputIsSaidBeforeAnyWork) {
  const ScratchDirectory folder;
  const auto refused = [&](const std::string& from, const std::string& to,
                           const std::string& message) {
    std::string text = staged;
    ASSERT_NE(text.find(from), std::string::npos) << from;
    text.replace(text.find(from), from.size(), to);
    folder.write("a.toml", text);
    const Outcome outcome = run_hone(folder, {"search", "a.toml"});
    EXPECT_EQ(outcome.code, 1) << to << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(message)) << to;
    EXPECT_FALSE(fs::exists(folder.path() / "runs/aware/study.db"));
  };
  refused("do = \"train\"", "do = \"trains\"", "did you mean 'train'");
  refused("sparsity = 0.5\n[[stages]]", "sparsity = 0.5\nnodes = \"nothing\"\n[[stages]]",
          "nothing");
  refused("stages = [\"prune\", \"quantize\"]", "stages = [\"pack\"]", "there is no stage 'pack'");
  refused("name = \"compressed\"", "name = \"none\"", "a name of its own");
  refused("measure = [\"latency\"]", "measure = [\"bytes\"]", "kept with every trial");
  refused("measure = [\"latency\"]", "weights = [1, 2]", "2 weights for 1 objectives");
  refused("measure = [\"latency\"]", "weights = [1]\nstopper = \"median\"", "weighted sum");
  refused("measure = [\"latency\"]", "training = false", "no folder of a trained model");
  refused("measure = [\"latency\"]", "validation = 0", "selection = \"test\"");
  refused("hidden_size = [32, 64]", "\"prunes.sparsity\" = [0.1, 0.2]", "belongs to no stage");
  refused("measure = [\"latency\"]", "start = \"sensitivity\"", "choice of formats");
  // Lines are those of the file, in studies too.
  refused("sampler = \"random\"", "sampler = \"radnom\"", "random");
  refused("name = \"compressed\"", "name = \"compressed\"\nstepps = 3", "a.toml: line 36");
  refused("hidden_size = [32, 64]", "hidden_size = []",
          "a.toml: parameter 'hidden_size': there is no choice");
  refused("name = \"compressed\"", "name = \"compressed\"\nout = \"x\"", "the whole file");
}

TEST(SearchStages, SensitivityFindsTheNodeThatMustStayPrecise) {
  const ScratchDirectory folder;
  ASSERT_EQ(run_hone(folder,
                     {"train", "bert-tiny", "--data", "reviews", "--out", "model", "--steps", "250",
                      "--batch", "16", "--set", "num_hidden_layers=1", "--set", "hidden_size=64"})
                .code,
            0);
  folder.write("s.toml", R"(recipe = "search"
name = "s"
model = "model"
data = "reviews"
objectives = ["accuracy", "bits"]
weights = [1, 0.01]
training = false
start = "sensitivity"
sampler = "random"
trials = 6
[[space.nodes]]
nodes = "linear"
format = ["none", "integer"]
width = [3, 16]
frac_width = [1, 2]
)");
  const Outcome outcome = run_hone(folder, {"search", "s.toml"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("accuracy - 0.01 bits, to maximize"), HasSubstr("test split, once")));
  const Json study = hone::parse_json(
      run_hone(folder, {"study", "show", "sqlite:runs/s/study.db", "--json", "-"}).out);
  const Json& measured = study.at("user_attrs").at("hone:sensitivity");
  // The model as it is, then the most harmed node first: q, k, v, the projection, two of the
  // feed-forward part, the pooler, the logits.
  ASSERT_EQ(measured.size(), 9u);
  for (std::size_t i = 2; i < measured.size(); ++i)
    EXPECT_GE(measured[i - 1].at("loss").get<double>(), measured[i].at("loss").get<double>());
  const Json trials = trials_of(folder, "sqlite:runs/s/study.db");
  ASSERT_EQ(trials.size(), 6u);
  const std::string first = measured[1].at("node").text(), last = measured[8].at("node").text();
  // None precise; then the most harmed stays float32 and the least harmed never does.
  const Json& cheapest = trials[0].at("params");
  EXPECT_EQ(cheapest.at(first + ".width"), Json(3));
  EXPECT_EQ(cheapest.at(first + ".frac_width"), measured[1].at("format").at("frac_width"));
  for (std::size_t i = 1; i < 4; ++i) {
    EXPECT_EQ(trials[i].at("params").at(first + ".format"), Json("none"));
    EXPECT_EQ(trials[i].at("params").at(last + ".width"), Json(3));
  }
  for (const Json& trial : trials) {
    const Json& attributes = trial.at("user_attrs");
    EXPECT_DOUBLE_EQ(
        trial.at("values")[0].get<double>(),
        attributes.at("accuracy").get<double>() - 0.01 * attributes.at("bits").get<double>());
  }
  // The loss of one node alone is that of the model quantized so.
  const std::string width = "width=" + measured[1].at("format").at("width").dump();
  const std::string fraction = "frac_width=" + measured[1].at("format").at("frac_width").dump();
  ASSERT_EQ(run_hone(folder, {"quantize", "model", "--format", "integer", "--set", width, "--set",
                              fraction, "--nodes", first, "--out", "one"})
                .code,
            0);
  const Json evaluated = hone::parse_json(
      run_hone(folder, {"eval", "one", "--data", "reviews", "--split", "validation", "--json", "-"})
          .out);
  EXPECT_NEAR(evaluated.at("loss").get<double>(), measured[1].at("loss").get<double>(), 1e-6);
  // The model was trained without the samples that trials are judged on; those of another seed it
  // has seen.
  EXPECT_THAT(outcome.err, testing::Not(HasSubstr("it has seen samples")));
  EXPECT_THAT(run_hone(folder, {"search", "s.toml", "--study", "sqlite:o.db", "--trials", "1",
                                "--set", "validation=0.2", "--set", "start="})
                  .err,
              HasSubstr("it has seen samples"));
}

}  // namespace
}  // namespace hone_test
