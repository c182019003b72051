// The recipe compress: stages one after the other, each measured, each kept.
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

// The reference's pipeline: an adapter, merged; quantized and trained with the rounding; pruned and
// trained again; packed.
const std::string small_compression = R"(recipe = "compress"
name = "c"
model = "bert-tiny"
data = "reviews"
steps = 20
lr = 1e-3
tune_steps = 4
tune_lr = 5e-4
tune_checkpoint_every = 2
threads = 1
[model_options]
num_hidden_layers = 1
hidden_size = 32
intermediate_size = 64
[data_options]
samples = 240
test_samples = 40
[[stages]]
do = "train"
name = "LoRA"
lora = "rank=2"
[[stages]]
do = "merge"
[[stages]]
do = "quantize"
format = "integer"
format_options = ["width=8", "frac_width=6"]
[[stages]]
do = "train"
[[stages]]
do = "prune"
sparsity = 0.5
[[stages]]
do = "train"
steps = 6
[[stages]]
do = "pack"
)";

TEST(Compress, StagesFollowEachOtherAndAKilledRunContinues) {
  const ScratchDirectory scratch;
  scratch.write("c.toml", small_compression);
  const fs::path out = scratch.path() / "runs/c/seed-0";
  {
    const Program program(scratch, {"run", "c.toml"});
    program.signal_when([&] { return fs::exists(out / "4-train/work/last/hone_state.json"); },
                        SIGKILL);
    ASSERT_EQ(program.wait().signal, SIGKILL);
  }
  const Outcome outcome = run_hone(scratch, {"run", "c.toml"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("stage 3 of 7: quantize integer width=8,frac_width=6: already "
                                     "finished"));
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("1. LoRA"), HasSubstr("5. prune l1 0.5"),
                                 HasSubstr("7. pack"), HasSubstr("float32")));
  std::vector<std::string> kinds;
  for (const auto& line : hone::Record::read(scratch.path() / "runs/c/record.jsonl"))
    if (line.at("event") == "compression_stage") kinds.push_back(line.value("title", "float"));
  EXPECT_THAT(
      kinds, testing::ElementsAre("float", "LoRA", "merge", "quantize integer width=8,frac_width=6",
                                  "train", "prune l1 0.5", "train, 6 steps", "pack"));
  const auto result = [&](const char* folder) {
    return hone::parse_json(hone::read_file(out / folder / "result.json"));
  };
  // Merging changes no answer; packing what was trained with the rounding neither.
  EXPECT_EQ(result("2-merge").at("accuracy"), result("1-train").at("accuracy"));
  EXPECT_EQ(result("2-merge").at("p_before"), 1.0);
  EXPECT_EQ(result("7-pack").at("correct"), result("6-train").at("correct"));
  EXPECT_LT(result("7-pack").at("bytes_on_disk").get<double>(),
            result("6-train").at("bytes_on_disk").get<double>());
  EXPECT_GT(result("7-pack").at("latency").get<double>(), 0);
  // Masks and formats are still there in the end: half of the weights are zero.
  const Outcome inspect = run_hone(scratch, {"inspect", "runs/c/seed-0/7-pack/model"});
  EXPECT_THAT(inspect.out, AllOf(HasSubstr("integer"), HasSubstr("prune: layers l1 0.5")));
  EXPECT_THAT(run_hone(scratch, {"report", "runs/c", "-o", "r.html"}).out,
              AllOf(HasSubstr("Stages"), HasSubstr("7. pack")));
  // Another last step keeps those before it.
  std::string changed = small_compression;
  changed.replace(changed.rfind("do = \"pack\""), 11, "do = \"train\"\nsteps = 2");
  scratch.write("c.toml", changed);
  const Outcome other = run_hone(scratch, {"run", "c.toml"});
  ASSERT_EQ(other.code, 0) << other.err;
  EXPECT_THAT(other.err, HasSubstr("stage 6 of 7: train, 6 steps: already finished"));
  // Another first step is another compression.
  changed.replace(changed.find("rank=2"), 6, "rank=3");
  scratch.write("c.toml", changed);
  const Outcome refused = run_hone(scratch, {"run", "c.toml"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("holds the result of other settings"));
}

// What a file says decides the result, not its name.
TEST(Compress, AChangedFileIsAnotherStage) {
  const ScratchDirectory scratch;
  const auto budget = [&](const char* sparsity) {
    scratch.write("b.toml", fmt::format("[[prune]]\nsparsity = {}\n", sparsity));
  };
  std::string text = small_compression.substr(0, small_compression.find("[[stages]]"));
  scratch.write("c.toml", text + "[[stages]]\ndo = \"prune\"\nbudget = \"b.toml\"\n");
  budget("0.5");
  ASSERT_EQ(run_hone(scratch, {"run", "c.toml"}).code, 0);
  EXPECT_THAT(run_hone(scratch, {"run", "c.toml"}).err, HasSubstr("already finished"));
  budget("0.25");
  EXPECT_THAT(run_hone(scratch, {"run", "c.toml"}).err, HasSubstr("other settings"));
}

TEST(Compress, BadInputIsSaidBeforeAnyWork) {
  const ScratchDirectory scratch;
  const auto error_of = [&](const std::string& from, const std::string& to) {
    std::string text = small_compression;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    scratch.write("c.toml", text);
    const Outcome outcome = run_hone(scratch, {"run", "c.toml"});
    EXPECT_EQ(outcome.code, 1) << outcome.err;
    EXPECT_FALSE(fs::exists(scratch.path() / "runs")) << outcome.err;
    return outcome.err;
  };
  EXPECT_THAT(error_of("do = \"merge\"", "do = \"murge\""),
              AllOf(HasSubstr("'murge'"), HasSubstr("'merge'")));
  EXPECT_THAT(error_of("do = \"merge\"", "name = \"x\""),
              AllOf(HasSubstr("key 'do' is missing"), HasSubstr("line 22")));
  EXPECT_THAT(error_of("sparsity = 0.5", "sparsity = 1.5"), HasSubstr("sparsity"));
  EXPECT_THAT(error_of("sparsity = 0.5\n", ""), HasSubstr("nothing is pruned"));
  EXPECT_THAT(error_of("sparsity = 0.5", "sparsity = 0.5\nsamples = 3"),
              HasSubstr("'samples' changes nothing"));
  EXPECT_THAT(error_of("format = \"integer\"\n", ""), HasSubstr("'format' and 'formats'"));
  EXPECT_THAT(error_of("format = \"integer\"", "format = \"integr\""), HasSubstr("integer"));
  EXPECT_THAT(error_of("do = \"merge\"", "do = \"merge\"\nsparsity = 0.5"),
              HasSubstr("unknown key 'sparsity'"));
  // What no model can have, and what this one has not.
  const auto stage = [&](const std::string& text) {
    return error_of("[[stages]]\ndo = \"pack\"", "[[stages]]\n" + text);
  };
  const char* place = "c.toml: line 36: ";
  const std::vector<std::pair<const char*, const char*>> cases{
      {"do = \"train\"\nlora = \"rnk=2\"", "lora: unknown key 'rnk'"},
      {"do = \"train\"\nlora = \"rank=0\"", "lora: rank is 0"},
      {"do = \"train\"\nlora = \"targets=nope\"", "targets: 'nope' matches no linear layer"},
      {"do = \"train\"\nlora = \"adapter=nowhere\"", "nowhere: has no adapter_config.json"},
      {"do = \"train\"\nsteps = 3\nepochs = 1", "both given"},
      {"do = \"train\"\noptimizer = \"sgd\"\nbeta1 = 0.5", "beta1 changes nothing"},
      {"do = \"quantize\"\nformat = \"integer\"\nformat_options = [\"widht=4\"]", "'widht'"},
      {"do = \"quantize\"\nformat = \"integer\"\nnodes = \"nope\"", "'nope' matches no node"},
      {"do = \"prune\"\nsparsity = 0.5\nnodes = \"nope\"", "'nope' matches no node"},
      {"do = \"prune\"\nsparsity = 0.5\nrule = \"mase\"\nmethod = \"l2\"", "no method l2"},
      {"do = \"prune\"\nsparsity = 0.3\ngranularity = \"2:4\"", "2:4 drops 0.5"},
      {"do = \"prune\"\nscope = \"global\"\ngranularity = \"2:4\"", "scope global changes nothing"},
      {"do = \"prune\"\nsparsity = 0", "sparsity 0 changes nothing"},
      {"do = \"prune\"\nactivations = 0.5\nmethod = \"wanda\"", "'method' changes nothing"}};
  for (const auto& [text, message] : cases)
    EXPECT_THAT(stage(text), AllOf(HasSubstr(place), HasSubstr(message))) << text;
  scratch.write("none.toml", small_compression.substr(0, small_compression.find("[[stages]]")));
  EXPECT_THAT(run_hone(scratch, {"run", "none.toml"}).err, HasSubstr("has no table [[stages]]"));
}

}  // namespace
}  // namespace hone_test
