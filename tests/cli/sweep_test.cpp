// The recipe ptq_vs_qat: a killed sweep continues and ends with the same results.
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

const std::string small_sweep = R"(recipe = "ptq_vs_qat"
name = "sweep"
model = "bert-tiny"
data = "reviews"
widths = [8, 4]
steps = 20
lr = 1e-3
qat_steps = 40
qat_lr = 5e-4
qat_checkpoint_every = 5
threads = 1
[model_options]
num_hidden_layers = 1
hidden_size = 32
intermediate_size = 64
[data_options]
samples = 240
test_samples = 40
)";

std::vector<std::string> points_in(const fs::path& record) {
  std::vector<std::string> points;
  for (const auto& line : hone::Record::read(record))
    if (line.at("event") == "point")
      points.push_back(
          fmt::format("{} {}", line.at("kind").get<std::string>(), line.value("width", 32)));
  return points;
}

TEST(PtqVsQat, AKilledSweepEndsWithTheSameResults) {
  const ScratchDirectory whole, killed;
  whole.write("small.toml", small_sweep);
  killed.write("small.toml", small_sweep);
  const Outcome uninterrupted = run_hone(whole, {"run", "small.toml"});
  ASSERT_EQ(uninterrupted.code, 0) << uninterrupted.err;
  const fs::path out = killed.path() / "runs/sweep/seed-0";
  {
    const Program program(killed, {"run", "small.toml"});
    // In the middle of the second training with rounding.
    program.signal_when([&] { return fs::exists(out / "qat-4/training/last/hone_state.json"); },
                        SIGKILL);
    ASSERT_EQ(program.wait().signal, SIGKILL);
  }
  ASSERT_FALSE(fs::exists(out / "qat-4/result.json"));
  const auto first_written = fs::last_write_time(out / "qat-8/result.json");
  const Outcome continued = run_hone(killed, {"run", "small.toml"});
  ASSERT_EQ(continued.code, 0) << continued.err;
  EXPECT_THAT(continued.err, AllOf(HasSubstr("qat at 8 bits: already finished"),
                                   HasSubstr("ptq at 4 bits: already finished")));
  EXPECT_EQ(fs::last_write_time(out / "qat-8/result.json"), first_written);
  EXPECT_EQ(hone::read_file(killed.path() / "runs/sweep/result.json"),
            hone::read_file(whole.path() / "runs/sweep/result.json"));
  EXPECT_EQ(continued.out, uninterrupted.out);
  // The training went on from its checkpoint, and every point is in the record once.
  bool resumed = false;
  for (const auto& line : hone::Record::read(out / "qat-4/training/record.jsonl"))
    resumed = resumed || line.at("event") == "resume";
  EXPECT_TRUE(resumed);
  const fs::path record = killed.path() / "runs/sweep/record.jsonl";
  EXPECT_THAT(points_in(record),
              testing::ElementsAre("float 32", "ptq 8", "qat 8", "ptq 4", "qat 4"));
  // Done: nothing is computed or written again.
  const std::string before = hone::read_file(record);
  ASSERT_EQ(run_hone(killed, {"run", "small.toml"}).code, 0);
  EXPECT_EQ(hone::read_file(record), before);
  // One more width is one more pair of points.
  const Outcome wider = run_hone(killed, {"run", "small.toml", "--set", "widths=8,4,6"});
  ASSERT_EQ(wider.code, 0) << wider.err;
  EXPECT_EQ(points_in(record).size(), 7u);
  // Other settings are another experiment.
  const Outcome other = run_hone(killed, {"run", "small.toml", "--set", "qat_lr=1e-4"});
  EXPECT_EQ(other.code, 1);
  EXPECT_THAT(other.err, HasSubstr("holds the result of other settings"));
  // What is kept of a point is the packed model, which runs like any.
  EXPECT_FALSE(fs::exists(out / "qat-4/training/last"));
  const Outcome eval =
      run_hone(killed, {"eval", "runs/sweep/seed-0/qat-4/model", "--data", "reviews", "--set",
                        "data.test_samples=40", "--json", "e.json"});
  ASSERT_EQ(eval.code, 0) << eval.err;
  const auto point = hone::parse_json(hone::read_file(out / "qat-4/result.json"));
  EXPECT_EQ(hone::parse_json(hone::read_file(killed.path() / "e.json")).at("accuracy"),
            point.at("accuracy"));
  EXPECT_THAT(run_hone(killed, {"report", "runs/sweep", "-o", "r.html"}).out,
              AllOf(HasSubstr("Accuracy by width"), HasSubstr("float32")));
}

TEST(PtqVsQat, AGivenModelIsRoundedOnceForAllSeeds) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("m", {"--steps", "20", "--lr", "1e-3"})).code, 0);
  scratch.write("given.toml", R"(recipe = "ptq_vs_qat"
name = "given"
model = "m"
data = "reviews"
format = "affine"
widths = 4
seeds = [1, 2]
evaluate = "validation"
qat_steps = 4
threads = 1
[data_options]
samples = 240
)");
  const Outcome outcome = run_hone(scratch, {"run", "given.toml", "--json", "r.json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(points_in(scratch.path() / "runs/given/record.jsonl"),
              testing::ElementsAre("float 32", "ptq 4", "qat 4", "qat 4"));
  const auto result = json_of(scratch, "r.json");
  EXPECT_EQ(result.at("points")[0].at("samples"), 24);
  EXPECT_LT(result.at("points")[1].at("bytes").get<double>(),
            result.at("points")[0].at("bytes").get<double>());
  // Another model in the same place is another experiment.
  ASSERT_EQ(run_hone(scratch, train_words("m", {"--steps", "3", "--overwrite"})).code, 0);
  EXPECT_THAT(run_hone(scratch, {"run", "given.toml"}).err, HasSubstr("other settings"));
}

TEST(PtqVsQat, BadInputIsSaidBeforeAnyWork) {
  const ScratchDirectory scratch;
  const auto error_of = [&](const std::vector<std::string>& changes, int code = 1) {
    scratch.write("small.toml", small_sweep);
    std::vector<std::string> words{"run", "small.toml"};
    for (const std::string& change : changes) words.insert(words.end(), {"--set", change});
    const Outcome outcome = run_hone(scratch, words);
    EXPECT_EQ(outcome.code, code) << outcome.err;
    EXPECT_FALSE(fs::exists(scratch.path() / "runs")) << outcome.err;
    return outcome.err;
  };
  EXPECT_THAT(error_of({"widths=4,64"}), AllOf(HasSubstr("at width 64"), HasSubstr("32")));
  EXPECT_THAT(error_of({"widths=0"}), HasSubstr("key 'widths': '0'"));
  EXPECT_THAT(error_of({"widths=4,four"}), HasSubstr("'four'"));
  EXPECT_THAT(error_of({"widths=4,4"}), HasSubstr("4 is named twice"));
  EXPECT_THAT(error_of({"format=integr"}), HasSubstr("'integer'"));
  EXPECT_THAT(error_of({"format=binary"}), HasSubstr("binary has no width"));
  EXPECT_THAT(error_of({"format=affine", "fraction=0.5"}), HasSubstr("affine has no frac_width"));
  EXPECT_THAT(error_of({"nodes=layer7.q"}), HasSubstr("matches no node"));
  EXPECT_THAT(error_of({"model=nowhere"}), HasSubstr("nowhere"));
  EXPECT_THAT(error_of({"qat_bach=3"}, 2), HasSubstr("'qat_batch'"));
  EXPECT_THAT(error_of({"evaluate=validation", "validation=0"}), HasSubstr("no validation split"));
  scratch.write("half.toml", "recipe = \"ptq_vs_qat\"\nname = \"x\"\nmodel = \"bert-tiny\"\n");
  EXPECT_THAT(run_hone(scratch, {"run", "half.toml"}).err, HasSubstr("key 'data' is missing"));
  scratch.write("half.toml", "recipe = \"ptq_vs_qat\"\nname = \"x\"\ndata = \"reviews\"\n");
  EXPECT_THAT(run_hone(scratch, {"run", "half.toml"}).err, HasSubstr("key 'model' is missing"));
}

}  // namespace
}  // namespace hone_test
