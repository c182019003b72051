// Help, exit codes, and what a mistyped command line gets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include "cli/program.hpp"

#include "hone/core/json.hpp"

namespace hone_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::vector<std::string> commands{"data",    "eval",   "explain", "inspect",  "list",
                                        "predict", "report", "run",     "tokenize", "train"};

TEST(Usage, HelpOfEveryCommand) {
  const ScratchDirectory scratch;
  for (const std::string& command : commands) {
    const Outcome help = run_hone(scratch, {command, "--help"});
    EXPECT_EQ(help.code, 0) << command;
    EXPECT_THAT(help.err, IsEmpty());
    EXPECT_THAT(help.out, AllOf(HasSubstr("Usage: hone " + command), HasSubstr("--json FILE"),
                                HasSubstr("Example")));
    // The example begins with the command itself.
    EXPECT_THAT(help.out, HasSubstr("\n  hone " + command + " "));
  }
}

TEST(Usage, HelpListsTheCommandsAndNamesDefaults) {
  const ScratchDirectory scratch;
  const Outcome help = run_hone(scratch, {"--help"});
  EXPECT_EQ(help.code, 0);
  for (const std::string& command : commands)
    EXPECT_THAT(help.out, HasSubstr("\n  " + command + " "));
  EXPECT_THAT(
      run_hone(scratch, {"train", "-h"}).out,
      AllOf(HasSubstr("--lr X"), HasSubstr("default: 5e-5"), HasSubstr("constant|cosine|")));
  EXPECT_EQ(run_hone(scratch, {"--version"}).out.rfind("hone ", 0), 0u);
}

TEST(Usage, NothingGivenIsWrongUsage) {
  const ScratchDirectory scratch;
  const Outcome none = run_hone(scratch, {});
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.err, HasSubstr("Usage:"));
}

struct Mistake {
  std::vector<std::string> words;
  std::string message, hint;
};

TEST(Usage, MistakesNameTheNearestKnownWord) {
  const ScratchDirectory scratch;
  const std::vector<Mistake> mistakes{
      {{"trane"}, "unknown command 'trane'", "did you mean 'train'?"},
      {{"train", "bert-tiny", "--dat", "reviews"},
       "unknown option '--dat'",
       "did you mean '--data'?"},
      {{"train", "bert-tiny", "--optimizer", "sgd"},
       "unknown option '--optimizer'",
       "--set optimizer=VALUE"},
      {{"train", "bert-tiny", "--data", "reviews", "--out", "o", "--set", "optimzer=sgd"},
       "unknown key 'optimzer'",
       "did you mean 'optimizer'?"},
      {{"train", "bert-tiny", "--data", "reviews", "--out", "o", "--set", "hidden_sise=64"},
       "unknown key 'hidden_sise'",
       "did you mean 'hidden_size'?"},
      {{"train", "bert-tiny", "--data", "reviews", "--out", "o", "--set", "optimizer"},
       "expected key=value",
       ""},
      {{"train", "bert-tiny", "--data", "reviews", "--out", "o", "--schedule", "liner"},
       "--schedule: 'liner' is not one of",
       "did you mean 'linear'?"},
      {{"train", "bert-tiny", "--data", "reviews", "--out", "o", "--lr", "fast"},
       "--lr: expected a number, got 'fast'",
       ""},
      {{"train", "bert-tiny", "--data", "reviews", "--out", "o", "--batch", "0"},
       "--batch: 0 is out of range",
       ""},
      {{"train", "bert-tiny", "--data", "reviews", "--out", "o", "--lr", "1", "--set", "lr=2"},
       "both given",
       ""},
      {{"train", "bert-tiny", "--data", "reviews"}, "--out is missing", "hone train --help"},
      {{"train", "--data", "reviews", "--out", "o"}, "MODEL is missing", ""},
      {{"train", "bert-tiny", "--data", "reviews", "--out", "o", "--steps", "2", "--steps", "3"},
       "--steps is given more than once",
       "give it once"},
      {{"eval", "a", "b", "--data", "reviews"}, "unexpected 'b'", ""},
      {{"train", "bert-tiny", "--data", "reviews", "--set", "data.sample=3", "--out", "o"},
       "unknown key 'sample'",
       "did you mean 'samples'?"},
      // Options that do not go together.
      {{"train", "bert-tiny", "--data", "reviews", "--out", "o", "--steps", "3", "--epochs", "1"},
       "epochs and steps are both given",
       ""},
      {{"train", "bert-tiny", "--data", "reviews", "--out", "o", "--set", "momentum=0.9"},
       "momentum changes nothing",
       ""},
      {{"train", "bert-tiny", "--data", "reviews", "--out", "o", "--mode", "eager", "--set",
        "disable_pass=group_rows"},
       "disable_pass changes nothing",
       ""},
      {{"train", "bert-tiny", "--data", "reviews", "--out", "o", "--split", "test", "--set",
        "validation=0.5"},
       "validation changes nothing",
       ""},
      {{"eval", "nowhere", "--data", "reviews", "--set", "seed=3"},
       "seed changes nothing on the split test",
       ""},
      {{"eval", "nowhere", "--data", "reviews", "--set", "data.samples=50"},
       "data.samples changes nothing on the split test",
       ""},
      {{"data", "show", "reviews", "--split", "train", "--set", "data.test_samples=50"},
       "data.test_samples changes nothing on the split train",
       ""},
      {{"run", "demo", "--set", "stepz=1"}, "unknown key 'stepz'", "did you mean 'steps'?"},
      {{"run", "demo", "--set", "steps=many"}, "expected a whole number", ""},
      {{"run", "demo", "--show", "--set", "steps=1"}, "--set changes nothing with --show", ""},
      // No command reads settings of data that it does not have.
      {{"predict", "nowhere", "text", "--set", "data.samples=50"}, "no data set is read", ""},
      {{"inspect", "bert-tiny", "--set", "data.samples=50"}, "no data set is read", ""},
      {{"explain", "bert-tiny", "--set", "data.samples=50"}, "no data set is read", ""},
      {{"list", "kernel"}, "no list of 'kernel'", "did you mean 'kernels'?"},
      {{"data", "sho"}, "hone data cannot 'sho'", "did you mean 'show'?"},
      {{"data", "fetch", "imbd"}, "no download of 'imbd'", "did you mean 'imdb'?"},
      {{"--frobnicate"}, "unknown option", ""}};
  for (const Mistake& mistake : mistakes) {
    const Outcome outcome = run_hone(scratch, mistake.words);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_THAT(outcome.err, AllOf(testing::StartsWith("error: "), HasSubstr(mistake.message),
                                   HasSubstr(mistake.hint)));
    EXPECT_THAT(outcome.out, IsEmpty());
    EXPECT_FALSE(std::filesystem::exists(scratch.path() / "o"));
  }
}

TEST(Usage, ErrorsOfTheInputEndWithOne) {
  const ScratchDirectory scratch;
  scratch.write("data.csv", "text,label\ngood,1\nbad,0\n");
  scratch.write("one.csv", "text,label\ngood,1\nfine,1\n");
  scratch.write("file", "");
  const std::vector<Mistake> mistakes{
      {{"train", "bert-tini", "--data", "reviews", "--out", "o"},
       "bert-tini: neither a folder nor a built-in model",
       "did you mean 'bert-tiny'?"},
      {{"train", "bert-tiny", "--data", "review", "--out", "o"},
       "unknown data 'review'",
       "did you mean 'reviews'?"},
      {{"train", "bert-tiny", "--data", "csv:data.csv", "--out", "o"},
       "brings no tokenizer",
       "--tokenizer"},
      {{"train", "bert-tiny", "--data", "csv:data.csv", "--tokenizer", "nowhere", "--out", "o"},
       "nowhere",
       ""},
      {{"train", "bert-tiny", "--data", "reviews", "--out", "file"},
       "is a file, expected a folder",
       "--out"},
      {{"train", "bert-tiny", "--data", "reviews", "--out", "file/deep"},
       "file/deep: cannot create the folder",
       "--out"},
      {{"train", "bert-tiny", "--data", "reviews", "--out", "o", "--resume"},
       "holds no run to resume",
       ""},
      {{"train", "bert-tiny", "--data", "reviews", "--out", "o", "--max-length", "600"},
       "max_length is 600, the model has 512 positions",
       ""},
      {{"train", "bert-tiny", "--data", "reviews", "--out", "o", "--order", "file"},
       "file: line 1, column 1",
       ""},
      {{"eval", "nowhere", "--data", "reviews"}, "nowhere", ""},
      {{"predict", "bert-tiny", "text"}, "its weights are untrained", "train it first"},
      {{"tokenize", "bert-tiny", "text"}, "brings no tokenizer", ""},
      {{"inspect", "file"}, "file: no reader", ""},
      {{"run", "nowhere.toml"}, "nowhere.toml", ""},
      {{"run", "dema"}, "there is no recipe 'dema'", "did you mean 'demo'?"},
      {{"run", "zzzzzz"}, "there is no recipe 'zzzzzz'", "known: "},
      {{"report", "nowhere"}, "nowhere", ""}};
  for (const Mistake& mistake : mistakes) {
    const Outcome outcome = run_hone(scratch, mistake.words);
    EXPECT_EQ(outcome.code, 1) << outcome.err;
    EXPECT_THAT(outcome.err,
                AllOf(HasSubstr("error: "), HasSubstr(mistake.message), HasSubstr(mistake.hint)))
        << mistake.words[0];
    EXPECT_FALSE(std::filesystem::exists(scratch.path() / "o")) << outcome.err;
  }
}

TEST(Usage, ModelErrorsNameTheFile) {
  const ScratchDirectory scratch;
  ASSERT_EQ(
      run_hone(scratch, train_words("m", {"--steps", "1", "--set", "num_hidden_layers=2"})).code,
      0);
  const auto path = scratch.path() / "m/config.json";
  const hone::Json good = hone::parse_json(hone::read_file(path));
  const auto error_of = [&](const char* key, const hone::Json& value) {
    hone::Json config = good;
    config[key] = value;
    hone::write_file_atomically(path, config.dump());
    const Outcome outcome = run_hone(scratch, {"predict", "m", "good"});
    EXPECT_EQ(outcome.code, 1) << key;
    return outcome.err;
  };
  EXPECT_THAT(error_of("hidden_size", -5), HasSubstr("m/config.json: key 'hidden_size'"));
  EXPECT_THAT(error_of("model_type", "distilbert"),
              HasSubstr("m/config.json: model_type 'distilbert'"));
  EXPECT_THAT(error_of("architectures", {"BertForTokenClassification"}),
              HasSubstr("m/config.json: key 'architectures'"));
  // Fewer layers than the files hold would answer nonsense.
  EXPECT_THAT(
      error_of("num_hidden_layers", 1),
      AllOf(HasSubstr("m: the files hold 'bert.encoder.layer.1."), HasSubstr("num_hidden_layers")));
}

TEST(Usage, DataErrorsNameFileAndPlace) {
  const ScratchDirectory scratch;
  scratch.write("one.csv", "text,label\ngood,1\nfine,1\n");
  scratch.write("column.csv", "review,label\ngood,1\nbad,0\n");
  const auto train = [&](const std::string& data) {
    return run_hone(
        scratch, {"train", "bert-tiny", "--data", data, "--tokenizer", "tokenizer", "--out", "o"});
  };
  scratch.write("tokenizer/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ngood\nbad\nfine\n");
  const Outcome one = train("csv:one.csv");
  EXPECT_EQ(one.code, 1);
  EXPECT_THAT(one.err, AllOf(HasSubstr("one.csv"), HasSubstr("class")));
  const Outcome column = train("csv:column.csv");
  EXPECT_EQ(column.code, 1);
  EXPECT_THAT(column.err, AllOf(HasSubstr("column.csv"), HasSubstr("'text'"), HasSubstr("hint: ")));
  EXPECT_FALSE(std::filesystem::exists(scratch.path() / "o"));
}

TEST(Usage, AFullDiskIsAnError) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "needs /dev/full";
  const ScratchDirectory scratch;
  const Outcome outcome =
      Program(scratch, {"tokenize", "reviews", "I loved it"}, "", "/dev/full").wait();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("standard output: cannot write"));
}

// Results go through pipes and links; what stands there is never replaced by a file.
TEST(Usage, DevicesPipesAndLinksStayWhatTheyAre) {
  const ScratchDirectory scratch;
  const auto path = [&](const char* name) { return (scratch.path() / name).string(); };
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  // Holding both ends open keeps the writer from waiting for a reader.
  const int reader = ::open(path("pipe").c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  EXPECT_EQ(run_hone(scratch, {"list", "models", "--json", "pipe"}).code, 0);
  std::string text(1 << 16, ' ');
  const ssize_t count = ::read(reader, text.data(), text.size());
  ASSERT_GT(count, 0);
  EXPECT_TRUE(hone::parse_json(text.substr(0, static_cast<std::size_t>(count))).is_object());
  EXPECT_TRUE(std::filesystem::is_fifo(path("pipe")));
  ::close(reader);

  scratch.write("target.json", "old");
  std::filesystem::create_symlink("target.json", path("link.json"));
  EXPECT_EQ(run_hone(scratch, {"list", "models", "--json", "link.json"}).code, 0);
  EXPECT_TRUE(std::filesystem::is_symlink(path("link.json")));
  EXPECT_TRUE(hone::parse_json(hone::read_file(path("target.json"))).is_object());
  EXPECT_THAT(run_hone(scratch, {"list", "models", "--json", "no/where.json"}).err,
              HasSubstr("there is no folder no"));
  EXPECT_THAT(run_hone(scratch, {"list", "models", "--json"}).err,
              HasSubstr("--json: a value is missing"));
}

// Nothing but the JSON goes to standard output.
TEST(Usage, JsonGoesToStandardOutput) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("m", {"--steps", "1"})).code, 0);
  scratch.write("small.toml",
                "recipe = \"train\"\nname = \"s\"\nmodel = \"bert-tiny\"\ndata = \"reviews\"\n"
                "steps = 1\n[model_options]\nnum_hidden_layers = 1\nhidden_size = 32\n"
                "[data_options]\nsamples = 40\ntest_samples = 20\n");
  const std::vector<std::string> test{"--set", "data.test_samples=20"};
  const auto with = [](std::vector<std::string> words, const std::vector<std::string>& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  std::vector<std::vector<std::string>> calls{
      {"list", "models"},
      {"data", "show", "reviews", "--set", "data.samples=20"},
      {"data", "list"},
      {"inspect", "m"},
      {"explain", "m"},
      {"predict", "m", "good", "bad"},
      {"tokenize", "m", "good"},
      {"format", "list"},
      {"report", "m"},
      {"run", "demo", "--show"},
      {"run", "small.toml"},
      with({"eval", "m", "--data", "reviews"}, test),
      with({"compare", "m", "m", "--data", "reviews"}, test),
      with({"sensitivity", "m", "--format", "mxint", "--data", "reviews", "--split", "test"}, test),
      {"quantize", "m", "--format", "mxint", "--out", "q"},
      train_words("n", {"--steps", "1"})};
  for (std::vector<std::string> call : calls) {
    call.insert(call.end(), {"--json", "-"});
    const Outcome outcome = run_hone(scratch, call);
    ASSERT_EQ(outcome.code, 0) << call[0] << outcome.err;
    EXPECT_TRUE(hone::parse_json(outcome.out, call[0]).is_object()) << call[0];
    EXPECT_THAT(outcome.err, Not(IsEmpty())) << call[0];  // the tables
  }
  EXPECT_FALSE(std::filesystem::exists(scratch.path() / "-"));
  const Outcome wrong = run_hone(scratch, {"eval", "nowhere", "--data", "reviews", "--json", "-"});
  EXPECT_EQ(wrong.code, 1);
  EXPECT_THAT(wrong.out, IsEmpty());
}

TEST(Usage, ListsHaveRanges) {
  const ScratchDirectory scratch;
  const auto lists = [&](std::vector<std::string> words) {
    words.insert(words.end(), {"--json", "-"});
    return hone::parse_json(run_hone(scratch, words).out);
  };
  bool found = false;
  const hone::Json formats = lists({"list", "formats"});
  for (const auto& format : formats.at("formats"))
    for (const auto& option : format.at("options"))
      if (format.at("name") == "integer" && option.at("name") == "width") {
        found = true;
        EXPECT_EQ(option.at("type"), "integer");
        EXPECT_EQ(option.at("minimum"), 1);
        EXPECT_GE(option.at("maximum").get<int>(), 32);
        EXPECT_TRUE(option.at("default").is_number_integer());
      }
  EXPECT_TRUE(found);
  const hone::Json kinds = lists({"data", "list"});
  for (const auto& kind : kinds.at("datasets"))
    if (kind.at("name") == "reviews") {
      EXPECT_FALSE(kind.at("options").empty());
    }
  const auto shown =
      lists({"data", "show", "reviews", "--split", "train", "--set", "data.samples=50"});
  const auto& words = shown.at("train").at("words");
  EXPECT_LE(words.at("smallest").get<int>(), words.at("median").get<int>());
  EXPECT_LE(words.at("median").get<int>(), words.at("largest").get<int>());
  EXPECT_GE(words.at("total").get<int>(), 50 * words.at("smallest").get<int>());
}

TEST(Usage, ListsAndShows) {
  const ScratchDirectory scratch;
  for (const char* kind : {"architectures", "commands", "datasets", "jobs", "kernels", "models",
                           "ops", "passes", "readers", "recipes"}) {
    const Outcome outcome = run_hone(scratch, {"list", kind, "--json", "list.json"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    const auto json = json_of(scratch, "list.json");
    ASSERT_FALSE(json.at(kind).empty());
    for (const auto& member : json.at(kind))
      EXPECT_THAT(outcome.out, HasSubstr(member.at("name").get<std::string>()));
  }
  EXPECT_THAT(run_hone(scratch, {"data", "show", "reviews", "--set", "data.samples=50"}).out,
              HasSubstr("label 1 (positive)  25 (50.0 %)"));
  EXPECT_THAT(run_hone(scratch, {"inspect", "bert-tiny"}).out,
              AllOf(HasSubstr("bert.pooler.dense"), HasSubstr("4.39 M")));
  const Outcome graph = run_hone(scratch, {"explain", "bert-tiny", "--training", "--graph"});
  EXPECT_THAT(graph.out, AllOf(testing::StartsWith("graph bert {"), HasSubstr("adamw")));
  EXPECT_THAT(run_hone(scratch, {"explain", "bert-tiny"}).out,
              AllOf(HasSubstr("cpu.linear"), HasSubstr("refused"), HasSubstr("arena")));
}

}  // namespace
}  // namespace hone_test
