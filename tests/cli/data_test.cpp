// Data as people have them, through the commands: files of every kind, the model's own classes,
// pairs.
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.hpp"
#include "hone/core/json.hpp"

namespace hone_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// A model of three classes with these names, whose answers the test knows: `answer` predicts.
class ClassifierCommands : public testing::Test {
protected:
  static void SetUpTestSuite() {
    scratch = new ScratchDirectory;
    std::string rows = "text,label\n";
    for (int i = 0; i < 20; ++i) rows += "good plot,2\ndull plot,1\nodd plot,3\n";
    scratch->write("train.csv", rows);
    scratch->write("words/vocab.txt",
                   "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ngood\ndull\nodd\nplot\nfilm\n");
    const Outcome outcome = run_hone(*scratch, {"train",       "bert-tiny",
                                                "--data",      "csv:train.csv",
                                                "--tokenizer", "words",
                                                "--out",       "run",
                                                "--epochs",    "12",
                                                "--lr",        "3e-3",
                                                "--threads",   "1",
                                                "--set",       "num_hidden_layers=1",
                                                "--set",       "hidden_size=32",
                                                "--set",       "intermediate_size=64"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    config = read_json(scratch->path() / "run/config.json");
  }
  static void TearDownTestSuite() {
    delete scratch;
    scratch = nullptr;
  }

  void name_classes(const std::vector<std::string>& names) {
    hone::Json named = config;
    named["id2label"] = hone::Json::object();
    named["label2id"] = hone::Json::object();
    for (std::size_t i = 0; i < names.size(); ++i) {
      named["id2label"][std::to_string(i)] = names[i];
      named["label2id"][names[i]] = i;
    }
    hone::write_file_atomically(scratch->path() / "run/config.json", named.dump());
  }
  Outcome evaluate(const std::string& content, const std::string& file = "e.csv",
                   std::vector<std::string> more = {}) {
    scratch->write(file, content);
    const std::string kind = file.substr(file.find('.') + 1);
    std::vector<std::string> words{"eval",      "run", "--data", kind + ":" + file,
                                   "--threads", "1",   "--json", "e.json"};
    words.insert(words.end(), more.begin(), more.end());
    return run_hone(*scratch, words);
  }
  // Of a file that has to be evaluated, or -1.
  double accuracy(const std::string& content, const std::string& file = "e.csv",
                  std::vector<std::string> more = {}) {
    const Outcome outcome = evaluate(content, file, std::move(more));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.code == 0 ? read_json(scratch->path() / "e.json").at("accuracy").get<double>()
                             : -1;
  }
  Outcome predict(const std::string& file, const std::string& content,
                  std::vector<std::string> more = {}) {
    scratch->write(file, content);
    std::vector<std::string> words{"predict", "run", "--input", file, "--threads", "1"};
    words.insert(words.end(), more.begin(), more.end());
    return run_hone(*scratch, words);
  }

  static ScratchDirectory* scratch;
  static hone::Json config;
};

ScratchDirectory* ClassifierCommands::scratch = nullptr;
hone::Json ClassifierCommands::config;

// What the model learned: dull is its class 0, good 1, odd 2.
TEST_F(ClassifierCommands, FilesWithSomeOfTheClassesGiveTheRightFigure) {
  ASSERT_EQ(config.at("id2label").at("0"), "1") << "the numbers of the data, sorted";
  const std::string four = "text,label\ngood plot,{}\ndull plot,{}\nodd plot,{}\ngood film,{}\n";
  const auto with = [&](const std::vector<std::string>& labels) {
    std::string content = four;
    for (const std::string& label : labels) content.replace(content.find("{}"), 2, label);
    return content;
  };
  name_classes({"1", "2", "3"});
  EXPECT_EQ(accuracy(with({"2", "1", "3", "2"})), 1);
  EXPECT_EQ(accuracy(with({"2.0", "1.0", "3.0", "3.0"})), 0.75);
  EXPECT_EQ(accuracy(with({"2", "2", "2", "2"})), 0.5) << "one class only";
  EXPECT_EQ(accuracy(with({"3", "2", "2", "3"})), 0) << "two of three";
  name_classes({"dull", "good", "odd"});
  EXPECT_EQ(accuracy(with({"good", "good", "good", "good"})), 0.5);
  EXPECT_EQ(accuracy(with({"odd", "good", "odd", "good"})), 0.5);
  EXPECT_EQ(accuracy(with({"Good", "DULL", "odd", "Good"})), 1);
  name_classes({"LABEL_0", "LABEL_1", "LABEL_2"});
  EXPECT_EQ(accuracy(with({"1", "1", "2", "1"})), 0.75);
  EXPECT_EQ(accuracy(with({"LABEL_1", "LABEL_1", "LABEL_1", "LABEL_1"})), 0.5);
  const Outcome unknown = evaluate(with({"1", "1", "3", "1"}));
  EXPECT_EQ(unknown.code, 1);
  EXPECT_THAT(unknown.err,
              AllOf(HasSubstr("e.csv: line 4: column 'label': run has no class '3'; its classes: "
                              "LABEL_0, LABEL_1, LABEL_2"),
                    HasSubstr("the numbers 0 to 2")));
  EXPECT_THAT(evaluate(with({"good", "dull", "odd", "good"})).err,
              HasSubstr("run has no class 'dull'"))
      << "never by position";
}

TEST_F(ClassifierCommands, FilesOfEveryKindAreEvaluated) {
  name_classes({"dull", "good", "odd"});
  EXPECT_EQ(accuracy("text;label\ngood plot;good\ndull plot;odd\n", "e.csv",
                     {"--set", "data.separator=;"}),
            0.5);
  EXPECT_EQ(accuracy("text\tlabel\ngood plot\tgood\n", "e.tsv"), 1);
  EXPECT_EQ(accuracy("[{\"text\": \"good plot\", \"label\": \"good\"},\n"
                     " {\"text\": \"odd plot\", \"label\": \"dull\"}]",
                     "e.json"),
            0.5);
  EXPECT_EQ(accuracy("{\"text\": \"good plot\", \"label\": \"good\"}\n", "e.jsonl"), 1);
  const Outcome semicolons = evaluate("text;label\ngood plot;good\n");
  EXPECT_THAT(semicolons.err, AllOf(HasSubstr("no column 'text'"), HasSubstr("separator=;")));
  // What the cache of tokens keeps is told apart by all options.
  const std::string gaps = "text,label\ngood plot,good\n,odd\n";
  EXPECT_THAT(evaluate(gaps).err, HasSubstr("line 3: column 'text': the text is empty"));
  const Outcome skipped = evaluate(gaps, "e.csv", {"--set", "data.skip_empty=true"});
  EXPECT_EQ(skipped.code, 0) << skipped.err;
  EXPECT_THAT(skipped.err, HasSubstr("e.csv: 1 rows with an empty text are skipped"));
  EXPECT_EQ(read_json(scratch->path() / "e.json").at("samples"), 1);
  EXPECT_EQ(read_json(scratch->path() / "e.json").at("skipped"), 1);
  EXPECT_THAT(evaluate(gaps).err, HasSubstr("line 3"));
}

TEST_F(ClassifierCommands, PredictReadsFilesOfEveryKind) {
  name_classes({"dull", "good", "odd"});
  const auto labels = [](const Outcome& outcome) {
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    std::string all;
    std::istringstream lines(outcome.out);
    for (std::string line; std::getline(lines, line);)
      all += hone::parse_json(line).at("label").text() + " ";
    return all;
  };
  EXPECT_EQ(labels(predict("p.csv", "id,text\n1,good plot\n2,\"odd, plot\"\n")), "good odd ");
  EXPECT_EQ(labels(predict("p.tsv", "comment\tid\ndull plot\t1\n", {"--set", "data.text=comment"})),
            "dull ");
  EXPECT_EQ(labels(predict("p.txt", "good plot\r\nodd plot\r\n")), "good odd ");
  EXPECT_EQ(labels(predict("p.jsonl", "{\"text\": \"good plot\"}\n")), "good ");
  EXPECT_EQ(labels(predict("p.json", "[{\"text\": \"good plot\"},\n{\"text\": \"dull plot\"}]")),
            "good dull ");
  EXPECT_EQ(labels(predict("p", "{\"text\": \"good plot\"}\n")), "good ") << "by content";
  EXPECT_EQ(labels(predict("p", "good plot\n")), "good ");
  EXPECT_EQ(labels(predict("p.txt", "{\"text\": \"good\"}\n", {"--json", "p.json"})).size(), 5u);
  scratch->write("p.dat", "text\nodd plot\n");
  EXPECT_EQ(labels(run_hone(*scratch, {"predict", "run", "--input", "csv:p.dat"})), "odd ");
  const std::string utf16("\xFF\xFEt\0e\0x\0t\0\n\0o\0d\0d\0", 18);
  EXPECT_EQ(labels(predict("p.csv", utf16)), "odd ");
}

TEST_F(ClassifierCommands, PredictRefusesSettingsThatChangeNothing) {
  const auto refused = [&](const char* file, const char* content, const char* setting,
                           const char* message) {
    const Outcome outcome = predict(file, content, {"--set", setting});
    EXPECT_NE(outcome.code, 0) << setting;
    EXPECT_THAT(outcome.err, HasSubstr(message));
  };
  refused("p.csv", "text\na\n", "data.label=x", "data.label changes nothing");
  refused("p.txt", "a\n", "data.text=x", "unknown key 'text'");
  refused("p", "a\n", "data.text=x", "data.text changes nothing");
  refused("p.jsonl", "{\"text\":\"a\"}\n", "data.separator=;", "'separator'");
  const Outcome words = run_hone(*scratch, {"predict", "run", "a", "--set", "data.text=x"});
  EXPECT_EQ(words.code, 2);
  EXPECT_THAT(words.err, HasSubstr("data.text changes nothing: no data set is read"));
  EXPECT_THAT(run_hone(*scratch, {"predict", "run", "--pair", "x", "--input", "p.csv"}).err,
              HasSubstr("--pair changes nothing"));
}

// What eval refuses predict answers, from a file as from the command line; what it advises works.
TEST_F(ClassifierCommands, EmptyTextsArePredictedOrSkippedOnRequest) {
  const auto of = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"predict", "run"});
    const Outcome outcome = run_hone(*scratch, words);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.out;
  };
  const char* const file = "text,text_pair\ngood,odd\nodd,\n,good\n,\n";
  const std::string whole = of({"good", "--pair", "odd"}) + of({"odd", "--pair", ""}) +
                            of({"", "--pair", "good"}) + of({"", "--pair", ""});
  EXPECT_EQ(predict("p.csv", file).out, whole);
  const Outcome skipped = predict("p.csv", file, {"--set", "data.skip_empty=true"});
  EXPECT_EQ(skipped.out, of({"good", "--pair", "odd"})) << skipped.err;
  EXPECT_THAT(skipped.err, HasSubstr("p.csv: 3 rows with an empty text are skipped"));
  // [CLS] a [SEP] [SEP], as transformers has it.
  const Outcome ids = run_hone(*scratch, {"tokenize", "run", "--input", "p.csv"});
  EXPECT_THAT(ids.out, HasSubstr("{\"ids\": [2,3,3], \"token_type_ids\": [0,0,1]}"));
  EXPECT_EQ(std::count(ids.out.begin(), ids.out.end(), '\n'), 4);
  const Outcome fewer =
      run_hone(*scratch, {"tokenize", "run", "--input", "p.csv", "--set", "data.skip_empty=true"});
  EXPECT_EQ(std::count(fewer.out.begin(), fewer.out.end(), '\n'), 1) << fewer.err;
}

TEST_F(ClassifierCommands, CalibrationNeedsNeitherLabelsNorClasses) {
  scratch->write("texts.csv", "text\ngood plot\nodd plot\n");
  const Outcome outcome =
      run_hone(*scratch, {"quantize", "run", "--format", "affine", "--calibrate", "csv:texts.csv",
                          "--out", "quantized"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
}

// Which text is which is all that tells the classes apart: token types and order must be right.
TEST(Pairs, AreTrainedEvaluatedAndPredicted) {
  const ScratchDirectory scratch;
  scratch.write("words/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nd\n");
  std::string rows = "text,text_pair,label\n";
  for (int i = 0; i < 30; ++i) rows += "a,b,first\nb,a,second\na c,b c,first\nb d,a d,second\n";
  scratch.write("pairs.csv", rows);
  const Outcome train = run_hone(scratch, {"train",       "bert-tiny",
                                           "--data",      "csv:pairs.csv",
                                           "--tokenizer", "words",
                                           "--out",       "run",
                                           "--epochs",    "15",
                                           "--lr",        "3e-3",
                                           "--threads",   "1",
                                           "--set",       "num_hidden_layers=1",
                                           "--set",       "hidden_size=32",
                                           "--set",       "intermediate_size=64"});
  ASSERT_EQ(train.code, 0) << train.err;
  EXPECT_THAT(train.err, HasSubstr("pairs of texts"));
  const Outcome eval = run_hone(
      scratch, {"eval", "run", "--data", "csv:pairs.csv", "--json", "e.json", "--threads", "1"});
  ASSERT_EQ(eval.code, 0) << eval.err;
  EXPECT_EQ(read_json(scratch.path() / "e.json").at("accuracy"), 1);

  const auto predict = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"predict", "run"});
    const Outcome outcome = run_hone(scratch, words);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.out;
  };
  const std::string first = predict({"a", "--pair", "b"});
  const std::string second = predict({"b", "--pair", "a"});
  EXPECT_THAT(first, HasSubstr("\"label\":\"first\""));
  EXPECT_THAT(second, HasSubstr("\"label\":\"second\""));
  scratch.write("p.jsonl",
                "{\"text\":\"a\",\"text_pair\":\"b\"}\n{\"text\":\"b\",\"text_pair\":\"a\"}\n");
  EXPECT_EQ(predict({"--input", "p.jsonl"}), first + second);
  scratch.write("p.csv", "q1,q2\na,b\nb,a\n");
  EXPECT_EQ(predict({"--input", "p.csv", "--set", "data.text=q1", "--set", "data.text_pair=q2"}),
            first + second);

  const Outcome ids = run_hone(scratch, {"tokenize", "words", "a c", "--pair", "b"});
  EXPECT_EQ(ids.out, "{\"ids\": [2,5,7,3,6,3], \"token_type_ids\": [0,0,0,0,1,1]}\n");
  const Outcome shown = run_hone(scratch, {"data", "show", "csv:pairs.csv", "--json", "s.json"});
  EXPECT_THAT(shown.out, AllOf(HasSubstr("120 pairs of texts"), HasSubstr("[first] a  |  b")));
  EXPECT_EQ(read_json(scratch.path() / "s.json").at("all").at("pairs"), true);

  // A model with one token type cannot tell them apart.
  const Outcome one =
      run_hone(scratch, {"train", "bert-tiny", "--data", "csv:pairs.csv", "--tokenizer", "words",
                         "--out", "one", "--steps", "1", "--set", "type_vocab_size=1"});
  EXPECT_EQ(one.code, 1);
  EXPECT_THAT(one.err, AllOf(HasSubstr("type_vocab_size"), HasSubstr("text_pair=none")));
  scratch.write("gap.csv", "text,text_pair,label\na,b,first\nb,,second\n");
  const Outcome gap = run_hone(scratch, {"eval", "run", "--data", "csv:gap.csv"});
  EXPECT_EQ(gap.code, 1);
  EXPECT_THAT(gap.err, HasSubstr("gap.csv: line 3: column 'text_pair': the text is empty"));
}

TEST(DataShow, ASingleFileIsOneSplitAndALineIsALine) {
  const ScratchDirectory scratch;
  scratch.write("d.csv", "text,label\n\"one\ntwo\tthree\x1b[1m\",1\nx,2\n");
  const Outcome outcome = run_hone(scratch, {"data", "show", "csv:d.csv"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("0 [1] one\\ntwo\\tthree\\x1b[1m\n"), HasSubstr("all")));
  EXPECT_EQ(outcome.err, "");
  scratch.write("v.csv", "text,label\na,0.5\nb,1.5\n");
  EXPECT_THAT(run_hone(scratch, {"data", "show", "csv:v.csv"}).out,
              HasSubstr("0.5 to 1.5, mean 1"));
  EXPECT_THAT(run_hone(scratch, {"data", "list"}).out,
              AllOf(HasSubstr("data.separator"), HasSubstr("data.encoding"),
                    HasSubstr("data.text_pair"), HasSubstr("data.skip_empty")));
}

}  // namespace
}  // namespace hone_test
