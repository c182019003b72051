// hone quantize: from a trained model to a packed one, and back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.hpp"

#include "hone/core/json.hpp"
#include "hone/record/record.hpp"

namespace hone_test {
namespace {

using testing::HasSubstr;

TEST(Quantize, PackEvaluatePredictTrainAndTurnBack) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("m", {"--steps", "40", "--lr", "1e-3"})).code, 0);
  const Outcome made = run_hone(
      scratch, {"quantize", "m", "--format", "integer", "--nodes", "linear,embedding", "--set",
                "width=8", "--set", "frac_width=6", "--out", "q", "--json", "q.json"});
  ASSERT_EQ(made.code, 0) << made.err;
  const hone::Json result = read_json(scratch.path() / "q.json");
  EXPECT_LT(result.at("bytes_after").get<double>(), 0.27 * result.at("bytes_before").get<double>());
  EXPECT_LT(std::filesystem::file_size(scratch.path() / "q/hone_model.safetensors"),
            std::filesystem::file_size(scratch.path() / "m/model.safetensors") / 3);
  for (const char* mode : {"compiled", "eager", "reference"}) {
    const Outcome eval = run_hone(scratch, {"eval", "q", "--data", "reviews", "--mode", mode,
                                            "--set", "data.test_samples=40", "--json", "e.json"});
    ASSERT_EQ(eval.code, 0) << eval.err;
    EXPECT_EQ(read_json(scratch.path() / "e.json").at("samples"), 40);
  }
  const std::vector<std::string> text{"predict", "q", "the acting was great ."};
  const std::string packed = run_hone(scratch, text).out;
  EXPECT_THAT(packed, HasSubstr("label"));
  ASSERT_EQ(run_hone(scratch, {"quantize", "q", "--dequantize", "--out", "f"}).code, 0);
  EXPECT_THAT(run_hone(scratch, {"inspect", "f"}).out, HasSubstr("bert"));
  EXPECT_TRUE(std::filesystem::exists(scratch.path() / "f/model.safetensors"));
  EXPECT_THAT(run_hone(scratch, {"inspect", "q"}).out,
              HasSubstr("hone_model.safetensors: safetensors ("));
  // A packed model is trained on like any other.
  const Outcome trained =
      run_hone(scratch, {"train", "q", "--data", "reviews", "--out", "t", "--steps", "5", "--set",
                         "data.samples=240", "--threads", "1"});
  EXPECT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.err + trained.out, HasSubstr("quantization-aware"));
  // Nothing that takes formats, packed or not, has a name that other libraries look for.
  for (const char* folder : {"q", "t", "t/last", "t/best"}) {
    EXPECT_TRUE(std::filesystem::exists(scratch.path() / folder / "hone_model.safetensors"));
    EXPECT_FALSE(std::filesystem::exists(scratch.path() / folder / "model.safetensors"));
  }
  // explain says which products run on whole numbers.
  EXPECT_THAT(run_hone(scratch, {"explain", "q"}).out, HasSubstr("linear_int8"));
  // inspect shows what is stored.
  const Outcome inspected = run_hone(scratch, {"inspect", "q", "--json", "i.json"});
  EXPECT_THAT(inspected.out, HasSubstr("integer frac_width=6 width=8"));
  const hone::Json shown = read_json(scratch.path() / "i.json");
  EXPECT_EQ(shown.at("bytes"), result.at("bytes_after"));
  double bytes = 0;
  for (const hone::Json& layer : shown.at("layers")) bytes += layer.at("bytes").get<double>();
  EXPECT_EQ(bytes, shown.at("bytes"));
  // Rounding what is rounded is said.
  EXPECT_THAT(run_hone(scratch, {"quantize", "q", "--format", "mxint", "--out", "again"}).err,
              HasSubstr("q is quantized already"));
}

// What stayed float32, how to include it, and a record that reports are drawn from.
TEST(Quantize, SaysWhatStayedFloatAndWritesARecord) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("m", {"--steps", "2"})).code, 0);
  const Outcome made =
      run_hone(scratch, {"quantize", "m", "--format", "integer", "--set", "width=8", "--set",
                         "frac_width=6", "--out", "q", "--json", "q.json"});
  ASSERT_EQ(made.code, 0) << made.err;
  const hone::Json result = read_json(scratch.path() / "q.json");
  const double share =
      result.at("float_parameters").get<double>() / result.at("parameters").get<double>();
  EXPECT_GT(share, 0.3);
  EXPECT_THAT(made.out, HasSubstr(fmt::format("({:.1f} %): embedding", 100 * share)));
  EXPECT_THAT(made.out, HasSubstr("--nodes linear,embedding"));
  EXPECT_THAT(made.out, HasSubstr("8-bit"));
  double left = 0;
  for (const auto& [op, count] : result.at("left_in_float32").items()) left += count.get<double>();
  EXPECT_EQ(left, result.at("float_parameters").get<double>());
  const auto lines = hone::Record::read(scratch.path() / "q/record.jsonl");
  std::map<std::string, hone::Json> events;
  for (const hone::Json& line : lines) events[line.at("event").get<std::string>()] = line;
  EXPECT_THAT(events.at("run").at("command").get<std::string>(), HasSubstr("quantize m"));
  EXPECT_TRUE(events.at("run").contains("machine"));
  EXPECT_EQ(events.at("quantized").at("bytes_after"), result.at("bytes_after"));
  EXPECT_EQ(events.at("quantized").at("formats")[0].at("format"), "integer frac_width=6 width=8");
  EXPECT_EQ(events.at("end").at("status"), "finished");
  double bytes = 0;
  for (const hone::Json& layer : events.at("model").at("layers"))
    bytes += layer.at("bytes").get<double>();
  EXPECT_EQ(bytes, result.at("bytes_after").get<double>());
  const Outcome report = run_hone(scratch, {"report", "q"});
  ASSERT_EQ(report.code, 0) << report.err;
  for (const char* part : {"Quantization", "integer frac_width=6 width=8", "Left in float32",
                           "Size, packed", "Bits a parameter"})
    EXPECT_THAT(report.out, HasSubstr(part));
  // With the embeddings nothing large is left.
  const Outcome all = run_hone(scratch, {"quantize", "m", "--format", "mxint", "--nodes",
                                         "linear,embedding", "--out", "e", "--json", "e.json"});
  ASSERT_EQ(all.code, 0) << all.err;
  EXPECT_EQ(all.out.find("--nodes linear,embedding"), std::string::npos);
  const hone::Json whole = read_json(scratch.path() / "e.json");
  EXPECT_LT(whole.at("float_parameters").get<double>(), 0.1 * whole.at("parameters").get<double>());
  // No format without codes of 8 bits is faster.
  const Outcome slow =
      run_hone(scratch, {"quantize", "m", "--format", "minifloat_ieee", "--out", "s"});
  EXPECT_THAT(slow.out, HasSubstr("smaller, not faster"));
}

TEST(Quantize, RecordsOfTrainingWithTheRounding) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("m", {"--steps", "2"})).code, 0);
  const Outcome made =
      run_hone(scratch, {"quantize", "m", "--format", "affine", "--set", "width=4", "--set",
                         "learned_step=true", "--qat", "--data", "reviews", "--set",
                         "data.samples=240", "--steps", "4", "--lr", "1e-3", "--out", "q"});
  ASSERT_EQ(made.code, 0) << made.err;
  for (const char* folder : {"q", "q/training"}) {
    const Outcome report = run_hone(scratch, {"report", folder});
    ASSERT_EQ(report.code, 0) << report.err;
    EXPECT_THAT(report.out, HasSubstr("Quantization"));
    EXPECT_THAT(report.out, HasSubstr("affine"));
    EXPECT_THAT(report.out, HasSubstr("learned steps"));
    EXPECT_THAT(report.out, HasSubstr("Left in float32"));
  }
  EXPECT_THAT(run_hone(scratch, {"report", "q"}).out, HasSubstr("4 steps"));
  // What packing will give is what it gave.
  const auto size = [&](const char* record) {
    for (const hone::Json& line : hone::Record::read(scratch.path() / record))
      if (line.at("event") == "quantized") return line.at("bytes_after").get<double>();
    return 0.0;
  };
  EXPECT_NEAR(size("q/training/record.jsonl"), size("q/record.jsonl"),
              0.02 * size("q/record.jsonl"));
  // A finished run continues with more steps and is packed anew; without --resume it is left alone.
  const auto again = [&](std::vector<std::string> more) {
    std::vector<std::string> words{"quantize", "m",     "--format",          "affine", "--set",
                                   "width=4",  "--set", "learned_step=true", "--qat",  "--data",
                                   "reviews",  "--set", "data.samples=240",  "--lr",   "1e-3",
                                   "--out",    "q"};
    words.insert(words.end(), more.begin(), more.end());
    return run_hone(scratch, words);
  };
  EXPECT_THAT(again({"--steps", "6"}).err, HasSubstr("already holds a model"));
  const Outcome longer = again({"--steps", "6", "--resume", "--json", "q.json"});
  ASSERT_EQ(longer.code, 0) << longer.err;
  EXPECT_EQ(read_json(scratch.path() / "q.json").at("training").at("steps"), 6);
  EXPECT_EQ(run_hone(scratch, {"predict", "q", "great"}).code, 0);
}

TEST(Quantize, NamesOfInspectAndScalesOfAll) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("m", {"--steps", "2"})).code, 0);
  const std::string query = "bert.encoder.layer.0.attention.self.query";
  EXPECT_THAT(run_hone(scratch, {"inspect", "m"}).out, HasSubstr(query));
  const Outcome one = run_hone(scratch, {"quantize", "m", "--format", "mxint", "--nodes", query,
                                         "--out", "one", "--json", "one.json"});
  ASSERT_EQ(one.code, 0) << one.err;
  EXPECT_EQ(read_json(scratch.path() / "one.json").at("nodes").size(), 1u);
  const Outcome typo = run_hone(scratch, {"quantize", "m", "--format", "mxint", "--nodes",
                                          query + ".wieght", "--out", "two"});
  EXPECT_EQ(typo.code, 1);
  EXPECT_THAT(typo.err, HasSubstr(query + ".weight"));
  const std::vector<std::string> shared{"quantize", "m",     "--format",
                                        "affine",   "--set", "granularity=tensor"};
  auto words = shared;
  words.insert(words.end(), {"--out", "three"});
  const Outcome refused = run_hone(scratch, words);
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("--calibrate"));
  EXPECT_FALSE(std::filesystem::exists(scratch.path() / "three"));
  words = shared;
  words.insert(words.end(), {"--calibrate", "reviews", "--samples", "8", "--out", "four"});
  EXPECT_EQ(run_hone(scratch, words).code, 0);
}

TEST(Quantize, FormatsFromAFile) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("m", {"--steps", "2"})).code, 0);
  const auto write = [&](const std::string& text) {
    hone::write_file_atomically(scratch.path() / "formats.toml", text);
  };
  const std::vector<std::string> words{"quantize", "m",      "--formats", "formats.toml", "--out",
                                       "q",        "--json", "q.json",    "--overwrite"};
  write(
      "[[formats]]\nnodes = \"embedding\"\nformat = \"mxint\"\n"
      "[[formats]]\nnodes = \"layer0\\\\..*\"\nformat = \"integer\"\nwidth = 8\nweight_width = 6\n"
      "[[formats]]\nformat = \"integer\"\nwidth = 4\nfrac_width = 3\nbias_format = \"none\"\n");
  const Outcome made = run_hone(scratch, words);
  ASSERT_EQ(made.code, 0) << made.err;
  int first = 0;
  int others = 0;
  const hone::Json result = read_json(scratch.path() / "q.json");
  for (const hone::Json& node : result.at("nodes")) {
    const auto name = node.at("node").get<std::string>();
    if (!node.contains("weight")) continue;
    const auto weight = node.at("weight").at("options").get<std::string>();
    if (name.rfind("layer0.", 0) == 0) {
      EXPECT_EQ(weight, "width=6") << name;
      EXPECT_EQ(node.at("data_in").at("options"), "width=8");
      ++first;
    } else if (node.at("weight").at("format") == "integer") {
      EXPECT_EQ(weight, "frac_width=3 width=4") << name;
      EXPECT_FALSE(node.contains("bias"));
      ++others;
    }
  }
  EXPECT_GT(first, 0);
  EXPECT_GT(others, 0);
  const auto refused = [&](const std::string& text, const std::string& message) {
    write(text);
    const Outcome outcome = run_hone(scratch, words);
    EXPECT_NE(outcome.code, 0);
    EXPECT_THAT(outcome.err, HasSubstr(message));
  };
  refused("", "[[formats]]");
  refused("formats = 3\n", "[[formats]]");
  refused("[[format]]\nwidth = 4\n", "line 1: unknown key 'format'");
  refused("[[formats]]\nformat = \"integr\"\n", "formats.toml: line 1: unknown format 'integr'");
  refused("[[formats]]\nformat = \"integer\"\nwidht = 4\n", "width");
  refused("[[formats]]\nformat = \"integer\"\nnodes = \"layer7\"\n", "matches no node");
  refused("[[formats\n", "line 1");
  refused(
      "[[formats]]\nformat = \"integer\"\n[[formats]]\nnodes = \"layer0.q\"\nformat = \"mxint\"\n",
      "'layer0.q': selections before it take every node");
  const Outcome both = run_hone(scratch, {"quantize", "m", "--formats", "formats.toml", "--format",
                                          "mxint", "--out", "other"});
  EXPECT_THAT(both.err, HasSubstr("--format changes nothing beside --formats"));
}

TEST(Quantize, KeepsWhatIsThere) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("m", {"--steps", "2"})).code, 0);
  std::vector<std::string> words{"quantize", "m",
                                 "--format", "mxint",
                                 "--set",    "weight_tail=error",
                                 "--set",    "weight_block_size=2",
                                 "--out",    "q"};
  // These blocks divide all rows, so tail = error has nothing against them.
  const Outcome made = run_hone(scratch, words);
  EXPECT_EQ(made.code, 0) << made.err;
  EXPECT_THAT(run_hone(scratch, words).err, HasSubstr("already holds a model"));
  words.push_back("--overwrite");
  EXPECT_EQ(run_hone(scratch, words).code, 0);
  EXPECT_THAT(run_hone(scratch, {"quantize", "q", "--dequantize", "--out", "q"}).err,
              HasSubstr("is the model that is read"));
  // The classifier's bias has two numbers.
  EXPECT_THAT(
      run_hone(scratch, {"quantize", "m", "--format", "mxint", "--set", "tail=error", "--out", "c"})
          .err,
      HasSubstr("parameter 'classifier.bias': block_size = 32 does not divide 2 columns"));
  EXPECT_THAT(
      run_hone(scratch, {"quantize", "m", "--format", "integer", "--set", "frac_width=4",
                         "--calibrate", "reviews", "--set", "data.samples=50", "--out", "c"})
          .err,
      HasSubstr("calibrating changes no format"));
}

// Another model's tokenizer files would change ids, a run's checkpoints would be resumed.
TEST(Quantize, OverwritingLeavesNothingOfTheOldModelOrItsRun) {
  namespace fs = std::filesystem;
  const ScratchDirectory scratch;
  const std::vector<std::string> train =
      train_words("m", {"--steps", "4", "--set", "checkpoint_every=2"});
  ASSERT_EQ(run_hone(scratch, train).code, 0);
  const fs::path model = scratch.path() / "m", old = scratch.path() / "old";
  std::vector<std::string> quantize{"quantize", "m",   "--format",   "mxint",
                                    "--out",    "old", "--overwrite"};
  ASSERT_EQ(run_hone(scratch, {"quantize", "m", "--format", "mxint", "--out", "q"}).code, 0);
  const std::vector<std::string> dequantize{"quantize", "q",   "--dequantize",
                                            "--out",    "old", "--overwrite"};
  for (const auto& words : {quantize, dequantize}) {
    fs::remove_all(old);
    fs::copy(model, old, fs::copy_options::recursive);
    ASSERT_TRUE(fs::exists(old / "last"));
    for (const char* name : {"added_tokens.json", "special_tokens_map.json"})
      scratch.write(std::string("old/") + name, "{}");
    scratch.write("old/notes.txt", "mine");
    const Outcome made = run_hone(scratch, words);
    ASSERT_EQ(made.code, 0) << made.err;
    for (const char* name : {"last", "best", "added_tokens.json", "special_tokens_map.json"})
      EXPECT_FALSE(fs::exists(old / name)) << name;
    EXPECT_TRUE(fs::exists(old / "notes.txt"));
    EXPECT_TRUE(fs::exists(old / "tokenizer.json"));
    std::vector<std::string> resume =
        train_words("old", {"--steps", "4", "--set", "checkpoint_every=2", "--resume"});
    EXPECT_NE(run_hone(scratch, resume).code, 0);
  }
  fs::create_directories(scratch.path() / "n");
  fs::copy(model, scratch.path() / "n", fs::copy_options::recursive);
  EXPECT_THAT(
      run_hone(scratch, {"quantize", "n/last", "--format", "mxint", "--out", "n", "--overwrite"})
          .err,
      HasSubstr("--out n holds the model that is read"));
  EXPECT_TRUE(fs::exists(scratch.path() / "n/last"));
}

TEST(Quantize, AwareTrainingWithCalibration) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("m", {"--steps", "40", "--lr", "1e-3"})).code, 0);
  const std::vector<std::string> words{"quantize",    "m",
                                       "--format",    "affine",
                                       "--set",       "width=4",
                                       "--set",       "learned_step=true",
                                       "--calibrate", "reviews",
                                       "--samples",   "20",
                                       "--set",       "data.samples=240",
                                       "--qat",       "--data",
                                       "reviews",     "--steps",
                                       "12",          "--threads",
                                       "1",           "--out",
                                       "q",           "--json",
                                       "q.json"};
  const Outcome made = run_hone(scratch, words);
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(read_json(scratch.path() / "q.json").at("training").at("steps"), 12);
  EXPECT_EQ(run_hone(scratch, {"predict", "q", "great"}).code, 0);
}

TEST(Quantize, RefusesWhatChangesNothing) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("m", {"--steps", "2"})).code, 0);
  const auto refused = [&](std::vector<std::string> words, const std::string& message) {
    words.insert(words.begin(), {"quantize", "m", "--out", "q"});
    const Outcome outcome = run_hone(scratch, words);
    EXPECT_NE(outcome.code, 0) << message;
    EXPECT_THAT(outcome.err, HasSubstr(message));
    EXPECT_FALSE(std::filesystem::exists(scratch.path() / "q/hone_model.safetensors"));
  };
  refused({}, "--format");
  refused({"--format", "integr"}, "integer");
  refused({"--format", "integer", "--keep-batch-norm"}, "keep_batch_norm changes nothing");
  ASSERT_EQ(run_hone(scratch, {"quantize", "m", "--format", "mxint", "--out", "mx"}).code, 0);
  const Outcome twice = run_hone(scratch, {"quantize", "mx", "--format", "mxint", "--out", "q"});
  EXPECT_NE(twice.code, 0);
  EXPECT_THAT(twice.err, HasSubstr("takes these formats already"));
  refused({"--format", "integer", "--epochs", "2"}, "--epochs changes nothing without --qat");
  refused({"--format", "integer", "--set", "optimizer=sgd"}, "changes nothing without --qat");
  refused({"--format", "integer", "--samples", "9"},
          "--samples changes nothing without --calibrate");
  refused({"--format", "integer", "--set", "learned_step=true"}, "learned_step changes nothing");
  refused({"--format", "integer", "--qat"}, "--data");
  refused({"--format", "ternary", "--calibrate", "reviews", "--set", "data.samples=50"},
          "calibrate");
  refused({"--format", "integer", "--nodes", "layer7.q"}, "matches no node");
  refused({"--dequantize"}, "is not quantized");
  refused({"--format", "integer", "--set", "is_signed=false"}, "has negative numbers");
  refused({"--format", "integer", "--set", "data_in_is_signed=false"}, "may have negative numbers");
  refused({"--format", "integer", "--set", "width=4", "--set", "width=5"},
          "--set width is given as 4 and as 5");
  refused({"--format", "affine", "--set", "group_size=8"},
          "'group_size' changes nothing without granularity = group");
  refused({"--format", "binary", "--set", "stochastic=true"},
          "stochastic changes nothing without training");
  // Before the data is read: there is none.
  refused({"--format", "mxint", "--calibrate", "csv:none.csv"}, "none of the formats has a scale");
  refused({"--format", "integer", "--max-length", "9"}, "--max-length changes nothing");
  refused({"--format", "integer", "--calibrate", "reviews", "--max-length", "9999"}, "positions");
  refused({"--format", "integer", "--set", "data_in_is_signed=false", "--calibrate", "reviews",
           "--set", "data.samples=50"},
          "has negative numbers");
  refused({"--format", "integer", "--set", "bias_format=none", "--set", "data_in_format=none",
           "--set", "width=32", "--set", "frac_width=60", "--nodes", "nothing"},
          "matches no node");
}

}  // namespace
}  // namespace hone_test
