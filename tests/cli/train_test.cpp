// Training from the command line: what it writes, and that no way of stopping it loses anything.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.hpp"
#include "hone/core/json.hpp"
#include "hone/record/record.hpp"

namespace hone_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::vector<hone::Json> read_lines(const std::filesystem::path& path) {
  std::vector<hone::Json> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(hone::parse_json(line));
  return lines;
}

TEST(Train, TheSavedModelIsEvaluatedAndPredictsAlike) {
  const ScratchDirectory scratch;
  const Outcome train =
      run_hone(scratch, train_words("run", {"--steps", "30", "--lr", "5e-4", "--json", "train.json",
                                            "--trace", "trace.jsonl"}));
  ASSERT_EQ(train.code, 0) << train.err;
  const auto results = read_json(scratch.path() / "train.json");
  EXPECT_EQ(results.at("steps"), 30);
  EXPECT_GT(results.at("samples_per_second").get<double>(), 0);
  EXPECT_EQ(results.at("validation").at("samples"), 24);
  const auto trace = read_lines(scratch.path() / "trace.jsonl");
  ASSERT_EQ(trace.size(), 30u);
  EXPECT_EQ(trace.back().at("loss"), results.at("loss"));

  const Outcome eval = run_hone(scratch, {"eval", "run", "--data", "reviews", "--set",
                                          "data.test_samples=40", "--json", "eval.json"});
  ASSERT_EQ(eval.code, 0) << eval.err;
  const auto evaluated = read_json(scratch.path() / "eval.json");
  EXPECT_EQ(evaluated.at("samples"), 40);
  EXPECT_LE(evaluated.at("low").get<double>(), evaluated.at("accuracy").get<double>());
  // The validation split again, from the saved model, the best one: the same numbers.
  const Outcome again =
      run_hone(scratch, {"eval", "run", "--data", "reviews", "--split", "validation", "--set",
                         "data.samples=240", "--json", "again.json"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(read_json(scratch.path() / "again.json").at("accuracy"),
            results.at("best").at("accuracy"));
  EXPECT_EQ(results.at("kept"), "best");
  EXPECT_NEAR(read_json(scratch.path() / "again.json").at("loss").get<double>(),
              results.at("best").at("loss").get<double>(), 1e-6);

  const Outcome one = run_hone(scratch, {"predict", "run", "I loved the plot."});
  ASSERT_EQ(one.code, 0) << one.err;
  const auto prediction = hone::parse_json(one.out);
  EXPECT_THAT(prediction.at("label").get<std::string>(), testing::AnyOf("negative", "positive"));
  EXPECT_NEAR(prediction.at("probabilities")[0].get<double>() +
                  prediction.at("probabilities")[1].get<double>(),
              1, 1e-12);
  // Texts from arguments, a file and standard input are the same texts.
  scratch.write(
      "in.jsonl",
      "{\"text\": \"I loved the plot.\"}\n\n{\"id\": 3, \"text\": \"Caf\\u00e9 \\\"noir\\\"\"}\n");
  ASSERT_EQ(
      run_hone(scratch, {"predict", "run", "--input", "in.jsonl", "--output", "out.jsonl"}).code,
      0);
  const auto lines = read_lines(scratch.path() / "out.jsonl");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_NEAR(lines[0].at("logits")[0].get<double>(), prediction.at("logits")[0].get<double>(),
              1e-5);
  const Outcome piped = run_hone(scratch, {"predict", "run"}, "I loved the plot.\nCafé \"noir\"\n");
  EXPECT_EQ(piped.out, hone::read_file(scratch.path() / "out.jsonl"));
}

TEST(Train, TheRecordMakesAReport) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("run", {"--steps", "4"})).code, 0);
  const auto lines = hone::Record::read(scratch.path() / "run" / "record.jsonl");
  std::vector<std::string> events;
  for (const auto& line : lines) events.push_back(line.at("event").text());
  EXPECT_EQ(events.front(), "run");
  EXPECT_EQ(events.back(), "end");
  EXPECT_EQ(lines.back().at("status"), "finished");
  EXPECT_EQ(std::count(events.begin(), events.end(), "step"), 4);
  for (const char* event : {"model", "eval", "timing", "memory"})
    EXPECT_THAT(events, testing::Contains(event));
  EXPECT_EQ(lines.front().at("config").at("hidden_dropout"), 0.1);
  const Outcome report = run_hone(scratch, {"report", "run", "--json", "report.json"});
  ASSERT_EQ(report.code, 0) << report.err;
  EXPECT_THAT(report.out, AllOf(HasSubstr("finished"), HasSubstr("cpu.linear")));
}

// Starts a run, ends it by a signal once its trace has `lines` lines.
Outcome stop_at(const ScratchDirectory& scratch, std::vector<std::string> words, std::size_t lines,
                int signal) {
  words.insert(words.end(), {"--trace", "stopped.jsonl"});
  const Program program(scratch, words);
  program.signal_when([&] { return complete_lines(scratch.path() / "stopped.jsonl") >= lines; },
                      signal);
  return program.wait();
}

void expect_same_run(const ScratchDirectory& scratch, const std::string& a, const std::string& b) {
  for (const char* file :
       {"model.safetensors", "last/model.safetensors", "last/hone_state.safetensors",
        "last/hone_state.json", "config.json", "tokenizer.json"})
    EXPECT_EQ(hone::sha256(hone::read_file(scratch.path() / a / file)),
              hone::sha256(hone::read_file(scratch.path() / b / file)))
        << file;
}

TEST(Train, KilledAtAnyStepAndResumedEqualsTheUninterruptedRun) {
  const ScratchDirectory scratch;
  const std::vector<std::string> options{"--steps", "200",  "--checkpoint-every",
                                         "5",       "--lr", "1e-3"};
  std::vector<std::string> whole = options;
  whole.insert(whole.end(), {"--trace", "whole.jsonl"});
  ASSERT_EQ(run_hone(scratch, train_words("whole", whole)).code, 0);
  const auto expected = read_lines(scratch.path() / "whole.jsonl");
  // Before the first checkpoint, just after one, between two.
  for (const std::size_t lines : {2u, 6u, 38u}) {
    const std::string out = "killed-" + std::to_string(lines);
    std::filesystem::remove(scratch.path() / "stopped.jsonl");
    const Outcome killed = stop_at(scratch, train_words(out, options), lines, SIGKILL);
    ASSERT_EQ(killed.signal, SIGKILL) << killed.err;
    EXPECT_FALSE(std::filesystem::exists(scratch.path() / out / "model.safetensors"));
    std::vector<std::string> resume = options;
    resume.insert(resume.end(), {"--resume", "--trace", "stopped.jsonl"});
    const Outcome resumed = run_hone(scratch, train_words(out, resume));
    ASSERT_EQ(resumed.code, 0) << resumed.err;
    expect_same_run(scratch, "whole", out);
    const auto trace = read_lines(scratch.path() / "stopped.jsonl");
    ASSERT_EQ(trace.size(), expected.size());
    for (std::size_t i = 0; i < trace.size(); ++i) {
      EXPECT_EQ(trace[i].at("step"), expected[i].at("step"));
      EXPECT_EQ(trace[i].at("loss"), expected[i].at("loss"));
      EXPECT_EQ(trace[i].at("grad_norm"), expected[i].at("grad_norm"));
    }
  }
}

TEST(Train, CtrlCSavesAndTheRestFollows) {
  const ScratchDirectory scratch;
  const std::vector<std::string> options{"--steps", "300", "--lr", "1e-3"};
  ASSERT_EQ(run_hone(scratch, train_words("whole", options)).code, 0);
  const Outcome stopped = stop_at(scratch, train_words("stopped", options), 7, SIGINT);
  ASSERT_EQ(stopped.code, 130) << stopped.err;
  EXPECT_THAT(stopped.err, HasSubstr("--resume continues"));
  EXPECT_TRUE(std::filesystem::exists(scratch.path() / "stopped/last/hone_state.safetensors"));
  const auto record = hone::Record::read(scratch.path() / "stopped/record.jsonl");
  EXPECT_EQ(record.back().at("status"), "interrupted");
  // A stopped run can be used as a model already.
  EXPECT_EQ(run_hone(scratch, {"predict", "stopped", "fine"}).code, 0);
  std::vector<std::string> resume = options;
  resume.push_back("--resume");
  ASSERT_EQ(run_hone(scratch, train_words("stopped", resume)).code, 0);
  expect_same_run(scratch, "whole", "stopped");
  // Once more, with nothing left to train: what the run reached is told.
  resume.insert(resume.end(), {"--json", "again.json"});
  const Outcome again = run_hone(scratch, train_words("stopped", resume));
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("stopped: the run was finished before"));
  EXPECT_THAT(again.out, HasSubstr("best validation accuracy"));
  const auto results = read_json(scratch.path() / "again.json");
  EXPECT_EQ(results.at("steps"), 300);
  EXPECT_GE(results.at("best").at("accuracy").get<double>(),
            results.at("validation").at("accuracy").get<double>());
}

TEST(Train, AnotherRunIsNotOverwritten) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("run", {"--steps", "2"})).code, 0);
  const std::string before = hone::read_file(scratch.path() / "run/record.jsonl");
  const Outcome refused = run_hone(scratch, train_words("run", {"--steps", "3"}));
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("already holds a run"), HasSubstr("--resume"),
                                 HasSubstr("--overwrite")));
  EXPECT_EQ(hone::read_file(scratch.path() / "run/record.jsonl"), before);
  EXPECT_EQ(run_hone(scratch, train_words("run", {"--steps", "3", "--overwrite"})).code, 0);
  scratch.write("mine/letter.txt", "dear");
  EXPECT_THAT(run_hone(scratch, train_words("mine", {"--steps", "3"})).err,
              HasSubstr("mine: is not empty"));
}

TEST(Train, ResumingWithOtherOptionsIsRefused) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("run", {"--steps", "4"})).code, 0);
  const Outcome refused =
      run_hone(scratch, train_words("run", {"--steps", "4", "--lr", "1", "--resume"}));
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("lr"), HasSubstr("resume with the same options")));
}

TEST(Train, ALossThatIsNotFiniteNamesStepAndSamples) {
  const ScratchDirectory scratch;
  const Outcome outcome =
      run_hone(scratch, train_words("run", {"--steps", "60", "--lr", "1e6", "--clip", "0",
                                            "--schedule", "constant", "--set", "optimizer=sgd"}));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("step "), HasSubstr("on samples"), HasSubstr("lower --lr")));
  EXPECT_EQ(hone::Record::read(scratch.path() / "run/record.jsonl").back().at("status"), "failed");
  EXPECT_FALSE(std::filesystem::exists(scratch.path() / "run/model.safetensors"));
}

TEST(Train, AnOrderDecidesTheSamples) {
  const ScratchDirectory scratch;
  scratch.write("order.json", "[3, 1, 2, 0, 5]");
  const Outcome outcome =
      run_hone(scratch, train_words("run", {"--order", "order.json", "--batch", "2", "--epochs",
                                            "1", "--trace", "trace.jsonl"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(read_lines(scratch.path() / "trace.jsonl").size(), 3u);
  scratch.write("wrong.json", "[3, 1000]");
  EXPECT_THAT(run_hone(scratch, train_words("other", {"--order", "wrong.json"})).err,
              HasSubstr("wrong.json: item 1: there is no sample 1000, the split has 240"));
  EXPECT_THAT(
      run_hone(scratch, train_words("other", {"--order", "order.json", "--set", "validation=0.5"}))
          .err,
      HasSubstr("order and validation are both given"));
  EXPECT_FALSE(std::filesystem::exists(scratch.path() / "other"));
}

// What can be wrong is said before anything is written or removed.
TEST(Train, AFailedStartLeavesEverythingAsItWas) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("old", {"--steps", "2"})).code, 0);
  const auto files = [&](const std::string& folder) {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(scratch.path() / folder))
      if (entry.is_regular_file())
        found.push_back(entry.path().string() + " " + hone::sha256(hone::read_file(entry.path())));
    std::sort(found.begin(), found.end());
    return found;
  };
  const auto before = files("old");
  scratch.write("wrong.json", "[3, -1]");
  const std::vector<std::vector<std::string>> wrong{
      {"--steps", "3", "--warmup", "10"},
      {"--order", "wrong.json"},
      {"--steps", "3", "--set", "disable_pass=nope"},
      {"--steps", "3", "--trace", "no/folder/trace.jsonl"}};
  for (std::vector<std::string> words : wrong) {
    const Outcome fresh = run_hone(scratch, train_words("new", words));
    EXPECT_EQ(fresh.code, 1) << words.back();
    EXPECT_FALSE(std::filesystem::exists(scratch.path() / "new")) << words.back();
    words.push_back("--overwrite");
    EXPECT_EQ(run_hone(scratch, train_words("old", words)).code, 1);
    EXPECT_EQ(files("old"), before) << words.back();
  }
  const Outcome itself =
      run_hone(scratch, {"train", "old", "--data", "reviews", "--out", "./old", "--overwrite"});
  EXPECT_THAT(itself.err, HasSubstr("is the model that is read"));
  EXPECT_EQ(files("old"), before);
}

// The model of a run that is replaced must not answer for the new one.
TEST(Train, AKilledOverwriteLeavesNoOldModel) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("run", {"--steps", "2"})).code, 0);
  const Outcome killed =
      stop_at(scratch, train_words("run", {"--steps", "2000", "--overwrite"}), 3, SIGKILL);
  ASSERT_EQ(killed.signal, SIGKILL) << killed.err;
  EXPECT_EQ(run_hone(scratch, {"predict", "run", "good"}).code, 1);
}

TEST(Train, ResumingKeepsTheNumberOfThreads) {
  const ScratchDirectory scratch;
  const auto words = [](const std::string& threads, bool resume) {
    std::vector<std::string> all = train_words("run", {"--steps", "2000"});
    const auto at = std::find(all.begin(), all.end(), "--threads");
    if (threads.empty())
      all.erase(at, at + 2);
    else
      *(at + 1) = threads;
    if (resume) all.emplace_back("--resume");
    return all;
  };
  const auto stopped = [&](const std::vector<std::string>& all) {
    std::filesystem::remove(scratch.path() / "stopped.jsonl");
    return stop_at(scratch, all, 4, SIGINT).err;
  };
  stopped(words("3", false));
  const auto threads = [&] {
    return read_json(scratch.path() / "run/last/hone_state.json").at("threads");
  };
  EXPECT_EQ(threads(), 3);
  EXPECT_THAT(stopped(words("", true)), HasSubstr("continues on 3 threads, as it began"));
  EXPECT_EQ(threads(), 3);
  EXPECT_THAT(stopped(words("1", true)), HasSubstr("but not bit for bit"));
}

// Classes are matched by name, not by their order in the file.
TEST(Train, LabelsAreThoseOfTheModel) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("run", {"--steps", "60", "--lr", "1e-3"})).code, 0);
  hone::Json config = read_json(scratch.path() / "run/config.json");
  config["id2label"] = {{"0", "worse"}, {"1", "better"}};
  config["label2id"] = {{"worse", 0}, {"better", 1}};
  hone::write_file_atomically(scratch.path() / "run/config.json", config.dump());
  // "better" comes first in the alphabet.
  std::string rows = "text,label\n";
  const auto label = [&](const std::string& text) {
    const auto json = hone::parse_json(run_hone(scratch, {"predict", "run", text}).out);
    return json.at("label").get<std::string>();
  };
  for (const char* text :
       {"The acting was great.", "The acting was dull.", "I loved the plot.", "I hated the plot."})
    rows += std::string(text) + "," + label(text) + "\n";
  rows += "fine,better\nfine,worse\n";
  scratch.write("named.csv", rows);
  const auto evaluate = [&](const char* file) {
    return run_hone(scratch, {"eval", "run", "--data", std::string("csv:") + file, "--split",
                              "train", "--json", "e.json"});
  };
  const Outcome named = evaluate("named.csv");
  ASSERT_EQ(named.code, 0) << named.err;
  // All but one of the last two.
  EXPECT_NEAR(read_json(scratch.path() / "e.json").at("accuracy").get<double>(), 5.0 / 6, 1e-9);
  // Either case is the same; what the model does not know is not guessed.
  scratch.write("case.csv", "text,label\ngood film,BETTER\nbad film,Worse\n");
  const Outcome cased = evaluate("case.csv");
  EXPECT_EQ(cased.code, 0) << cased.err;
  EXPECT_THAT(cased.err, testing::Not(HasSubstr("labels of the data")));
  scratch.write("other.csv", "text,label\ngood film,better\nbad film,bettr\n");
  const Outcome other = evaluate("other.csv");
  EXPECT_EQ(other.code, 1);
  EXPECT_THAT(other.err, AllOf(HasSubstr("other.csv: line 3: column 'label': run has no class "
                                         "'bettr'; its classes: worse, better"),
                               HasSubstr("did you mean 'better'?")));
  // Numbers are those of the classes, as in transformers, and that is said.
  scratch.write("numbers.csv", "text,label\ngood film,1\nbad film,1\n");
  EXPECT_THAT(evaluate("numbers.csv").err,
              HasSubstr("numbers of the model's classes: 1 is better"));
  scratch.write("numbers.csv", "text,label\ngood film,1\nbad film,2\n");
  EXPECT_THAT(evaluate("numbers.csv").err, HasSubstr("run has no class '1'"));
}

TEST(Train, ACutVocabularyIsSaid) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("run", {"--steps", "2"})).code, 0);
  EXPECT_EQ(run_hone(scratch, {"predict", "run", "fine", "--json", "p.json"}).err, "");
  const auto whole = read_json(scratch.path() / "p.json").at("predictions");
  ASSERT_EQ(whole.size(), 1u);
  EXPECT_EQ(whole[0].at("logits").size(), 2u);
  const std::string words = hone::read_file(scratch.path() / "run/vocab.txt");
  std::filesystem::remove(scratch.path() / "run/tokenizer.json");
  scratch.write("run/vocab.txt", words.substr(0, words.find('\n', words.size() / 2) + 1));
  const Outcome cut = run_hone(scratch, {"predict", "run", "fine"});
  EXPECT_EQ(cut.code, 0);
  EXPECT_THAT(cut.err, AllOf(HasSubstr("the tokenizer (run) has"), HasSubstr("the model knows")));
}

TEST(Train, LabelsThatDifferInCaseAreTwoClasses) {
  const ScratchDirectory scratch;
  std::string rows = "text,label\n";
  for (int i = 0; i < 40; ++i) rows += i % 2 == 0 ? "I loved it,us\n" : "I hated it,US\n";
  scratch.write("case.csv", rows);
  ASSERT_EQ(run_hone(scratch,
                     {"train", "bert-tiny", "--data", "reviews", "--steps", "1", "--out", "words"})
                .code,
            0);
  const Outcome train =
      run_hone(scratch, {"train", "bert-tiny", "--data", "csv:case.csv", "--tokenizer", "words",
                         "--steps", "60", "--lr", "1e-3", "--threads", "2", "--out", "run"});
  ASSERT_EQ(train.code, 0) << train.err;
  EXPECT_THAT(run_hone(scratch, {"predict", "run", "I loved it", "I hated it"}).out,
              testing::MatchesRegex(".*\"us\".*\n.*\"US\".*\n"));
}

// Of two processes in one folder the second is turned away, and nothing is lost.
TEST(Train, AnotherProcessIsKeptOut) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("run", {"--steps", "2"})).code, 0);
  const std::string before = hone::read_file(scratch.path() / "run/record.jsonl");
  {
    const hone::FolderLock lock(scratch.path() / "run");
    for (const char* flag : {"--resume", "--overwrite"}) {
      const Outcome second = run_hone(scratch, train_words("run", {"--steps", "2", flag}));
      EXPECT_EQ(second.code, 1);
      EXPECT_THAT(second.err, HasSubstr("run: another hone is writing into it"));
    }
    EXPECT_EQ(hone::read_file(scratch.path() / "run/record.jsonl"), before);
    EXPECT_TRUE(std::filesystem::exists(scratch.path() / "run/model.safetensors"));
  }
  EXPECT_EQ(run_hone(scratch, train_words("run", {"--steps", "2", "--overwrite"})).code, 0);
}

// A finished run is replaced only by one whose options are good, and by no other result.
TEST(Train, AMistakeLosesNoRun) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("run", {"--steps", "2"})).code, 0);
  const std::string before = hone::read_file(scratch.path() / "run/record.jsonl");
  scratch.write("i.jsonl", "{\"text\":\"fine\"}\n");
  const auto refused = [&](const std::vector<std::string>& words, const char* said) {
    const Outcome outcome = run_hone(scratch, words);
    EXPECT_NE(outcome.code, 0) << said;
    EXPECT_THAT(outcome.err, HasSubstr(said));
    EXPECT_EQ(hone::read_file(scratch.path() / "run/record.jsonl"), before) << said;
    EXPECT_TRUE(std::filesystem::exists(scratch.path() / "run/model.safetensors")) << said;
    EXPECT_TRUE(std::filesystem::exists(scratch.path() / "run/last")) << said;
  };
  refused(train_words("run", {"--overwrite", "--set", "disable_pass=differentiate"}),
          "nothing runs without the pass 'differentiate'");
  refused(train_words("run", {"--overwrite", "--trace", "run/record.jsonl"}),
          "--trace run/record.jsonl: the same file as the record.jsonl of --out");
  refused(train_words("run", {"--overwrite", "--json", "run/../run/config.json"}),
          "the same file as the config.json of --out");
  refused({"predict", "run", "--input", "i.jsonl", "--output", "i.jsonl"},
          "--output i.jsonl: the same file as --input");
  refused({"predict", "run", "fine", "--output", "o.json", "--json", "o.json"},
          "--output o.json: the same file as --json");
  refused({"predict", "run", "fine", "--set", "data.samples=3"},
          "--set data.samples changes nothing");
}

}  // namespace
}  // namespace hone_test
