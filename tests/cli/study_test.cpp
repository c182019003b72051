// Studies of programs by the commands alone: what they print, and what happens when things go
// wrong.
#include <sqlite3.h>
#include <sys/resource.h>

#include <fstream>

#include <gmock/gmock.h>

#include "cli/program.hpp"
#include "hone/core/json.hpp"

namespace hone_test {
namespace {

using namespace hone;
using testing::HasSubstr;

class StudyCommands : public testing::Test {
protected:
  // A search of a shell program; `body` answers to $trial and $line.
  void write_search(const std::string& body, const std::string& keys = "directions = ['minimize']",
                    const std::string& space = "x = { low = 0.0, high = 1.0 }\nkind = ['a', 'b']") {
    scratch_.write("o.sh",
                   "while read -r line; do trial=${line#*: }; trial=${trial%%,*}\n"
                   "echo $trial >> computed\n" +
                       body + "\ndone\n");
    scratch_.write("s.toml",
                   "recipe = 'search'\nsampler = 'random'\nstudy = 'sqlite:s.db#s'\n"
                   "objective_command = ['sh', 'o.sh']\n" +
                       keys + "\n[space]\n" + space + "\n");
  }
  Outcome hone(std::vector<std::string> words) const {
    return run_hone(scratch_, std::move(words));
  }
  Outcome search(std::vector<std::string> more) const {
    std::vector<std::string> words{"search", "s.toml"};
    words.insert(words.end(), more.begin(), more.end());
    return hone(words);
  }
  Json study(const std::string& action, const std::string& url = "sqlite:s.db#s") const {
    const Outcome outcome = hone({"study", action, url, "--json", "-"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return parse_json(outcome.out, "stdout");
  }
  std::string content(const std::string& name) const {
    return read_file((scratch_.path() / name).string());
  }
  bool has(const std::string& name) const {
    return std::filesystem::exists(scratch_.path() / name);
  }
  std::size_t computed() const { return complete_lines(scratch_.path() / "computed"); }
  void sql(const std::string& text) const {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open((scratch_.path() / "s.db").c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, text.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database);
    sqlite3_close(database);
  }

  ScratchDirectory scratch_;
};

const char* const answers_number = R"(echo "{\"values\": [$trial]}")";

TEST_F(StudyCommands, SayWhatTheIssuePromises) {
  write_search(R"(echo '{"step": 2, "value": "Infinity"}'; read -r answer
echo "{\"values\": [$trial, 0.1], \"constraints\": [-1], \"user_attrs\": {\"n\": {\"deep\": [null]}}}")",
               "directions = ['minimize', 'maximize']\nobjectives = ['a', 'b']");
  ASSERT_EQ(search({"--trials", "3"}).code, 0);
  EXPECT_EQ(study("list", "sqlite:s.db").dump(), R"([{"name":"s","trials":3}])");
  const Json show = study("show");
  EXPECT_EQ(show.at("name"), Json("s"));
  EXPECT_EQ(show.at("directions").dump(), R"(["minimize","maximize"])");
  EXPECT_EQ(show.at("metric_names").dump(), R"(["a","b"])");
  EXPECT_EQ(show.at("best").dump(), "[0]");
  EXPECT_EQ(show.at("states").dump(), R"({"COMPLETE":3})");
  const Json trials = study("trials");
  ASSERT_EQ(trials.size(), 3u);
  EXPECT_EQ(trials[1].at("values").dump(), "[1.0,0.1]");
  EXPECT_EQ(trials[1].at("intermediate_values").dump(), R"({"2":"Infinity"})");
  EXPECT_EQ(trials[1].at("user_attrs").dump(), R"({"n":{"deep":[null]}})");
  EXPECT_EQ(trials[1].at("system_attrs").at("constraints:0").get<double>(), -1);
  EXPECT_EQ(trials[1].at("distributions").at("x").at("name"), Json("FloatDistribution"));
  EXPECT_THAT(trials[1].at("datetime_start").text(), HasSubstr("T"));
  EXPECT_THAT(trials[1].at("datetime_complete").text(), HasSubstr("+00:00"));
  ASSERT_EQ(hone({"study", "export", "sqlite:s.db#s", "--json", "e.json", "--csv", "e.csv"}).code,
            0);
  const Json exported = parse_json(content("e.json"), "e.json");
  EXPECT_EQ(exported.at("trials"), trials);
  EXPECT_EQ(exported.at("states"), show.at("states"));
  EXPECT_THAT(content("e.csv"),
              testing::StartsWith(",number,values_a,values_b,datetime_start,datetime_complete,"
                                  "duration,params_kind,params_x,user_attrs_n,"));
  EXPECT_THAT(content("e.csv"), HasSubstr(",{'deep': [None]},"));
}

TEST_F(StudyCommands, ReadingChangesNothing) {
  write_search(answers_number);
  ASSERT_EQ(search({"--trials", "2"}).code, 0);
  const std::string before = content("s.db");
  for (const char* action : {"list", "show", "best", "trials", "export"}) study(action);
  EXPECT_EQ(content("s.db"), before);
  EXPECT_FALSE(has("s.db-wal") || has("s.db-shm"));
  for (const char* action : {"list", "show", "ask", "enqueue"})
    EXPECT_EQ(hone({"study", action, "sqlite:none.db#s"}).code, 1);
  EXPECT_FALSE(has("none.db"));
  EXPECT_EQ(hone({"worker", "--study", "sqlite:none.db#s"}).code, 1);
  EXPECT_FALSE(has("none.db"));
  EXPECT_THAT(hone({"study", "show", "sqlite:s.db#t"}).err, HasSubstr("'t'"));
}

TEST_F(StudyCommands, ReadingSeesWhatAWriterHasNotPutIntoTheFileYet) {
  write_search(answers_number);
  ASSERT_EQ(search({"--trials", "2"}).code, 0);
  sqlite3* writer = nullptr;
  ASSERT_EQ(sqlite3_open((scratch_.path() / "s.db").c_str(), &writer), SQLITE_OK);
  sqlite3_exec(writer, "UPDATE trial_values SET value = 7", nullptr, nullptr, nullptr);
  EXPECT_TRUE(has("s.db-wal"));
  EXPECT_EQ(study("trials")[1].at("values").dump(), "[7.0]");
  sqlite3_close(writer);
  EXPECT_EQ(study("trials")[1].at("values").dump(), "[7.0]");
}

TEST_F(StudyCommands, TheSameCommandAgainDoesWhatIsMissing) {
  write_search(answers_number);
  ASSERT_EQ(search({"--trials", "3"}).code, 0);
  ASSERT_EQ(search({"--trials", "5", "--jobs", "2"}).code, 0);
  EXPECT_EQ(computed(), 5u);
  ASSERT_EQ(search({"--trials", "4"}).code, 0);
  ASSERT_EQ(hone({"worker", "--study", "sqlite:s.db#s"}).code, 0);
  EXPECT_EQ(computed(), 5u);
  EXPECT_EQ(study("show").at("states").dump(), R"({"COMPLETE":5})");
}

TEST_F(StudyCommands, AskedToldAndEnqueuedByHand) {
  write_search(answers_number);
  ASSERT_EQ(search({"--trials", "1"}).code, 0);
  ASSERT_EQ(hone({"study", "enqueue", "sqlite:s.db#s", "x=0.25", "kind=b"}).code, 0);
  const Json asked = study("ask");
  EXPECT_EQ(asked.dump(), R"({"number":1,"params":{"kind":"b","x":0.25}})");
  const auto tell = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"study", "tell", "sqlite:s.db#s"});
    return hone(words);
  };
  ASSERT_EQ(tell({"1", "0.5", "--step", "3"}).code, 0);
  ASSERT_EQ(tell({"1", "--state", "PRUNED"}).code, 0);
  EXPECT_EQ(study("trials")[1].at("values").dump(), "[0.5]");
  EXPECT_THAT(tell({"1", "0.5"}).err, HasSubstr("PRUNED"));
  study("ask");
  EXPECT_THAT(tell({"2", "1", "2"}).err, HasSubstr("2 values for 1 objective"));
  ASSERT_EQ(tell({"2", "nan"}).code, 0);
  EXPECT_EQ(study("trials")[2].at("state"), Json("FAIL"));
  EXPECT_EQ(tell({"9", "1"}).code, 1);
  EXPECT_EQ(hone({"study", "enqueue", "sqlite:s.db#s", "kind=c"}).code, 1);
  EXPECT_EQ(hone({"study", "enqueue", "sqlite:s.db#s", "kinds=a"}).code, 1);
  ASSERT_EQ(hone({"study", "copy", "sqlite:s.db#s", "sqlite:t.db#t"}).code, 0);
  EXPECT_EQ(study("trials", "sqlite:t.db#t"), study("trials"));
  EXPECT_EQ(hone({"study", "copy", "sqlite:s.db#s", "sqlite:t.db#t"}).code, 1);
  ASSERT_EQ(hone({"study", "delete", "sqlite:t.db#t"}).code, 0);
  EXPECT_EQ(study("list", "sqlite:t.db").dump(), "[]");
}

TEST_F(StudyCommands, AKilledSearchGoesOnAtOnce) {
  // Trial 1 stays until there is a file.
  write_search(R"(while [ $trial = 1 ] && [ ! -e go ]; do sleep 0.02; done
echo "{\"values\": [$trial]}")",
               "directions = ['minimize']\nlease = 3600");
  const auto begun = [&] { return computed() == 2; };
  const Program killed(scratch_, {"search", "s.toml", "--trials", "3"});
  killed.signal_when(begun, SIGKILL);
  EXPECT_EQ(killed.wait().signal, SIGKILL);
  EXPECT_EQ(study("trials")[1].at("state"), Json("RUNNING"));
  scratch_.write("go", "");
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(hone({"worker", "--study", "sqlite:s.db#s"}).code, 0);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  const Json trials = study("trials");
  ASSERT_EQ(trials.size(), 3u);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(trials[static_cast<std::size_t>(i)].at("values")[0], Json(i));
  EXPECT_EQ(computed(), 4u);
}

TEST_F(StudyCommands, AnInterruptedSearchGoesOn) {
  for (const char* const jobs : {"1", "2"}) {
    std::filesystem::remove(scratch_.path() / "go");
    std::filesystem::remove(scratch_.path() / "computed");
    write_search(R"(while [ $trial = 1 ] && [ ! -e go ]; do sleep 0.02; done
echo "{\"values\": [$trial]}")");
    const std::string url = std::string("sqlite:s.db#") + jobs;
    const Program stopped(scratch_,
                          {"search", "s.toml", "--trials", "4", "--jobs", jobs, "--study", url});
    stopped.signal_when([&] { return computed() >= 2; }, SIGINT);
    EXPECT_EQ(stopped.wait().code, 130);
    EXPECT_EQ(study("trials", url)[1].at("state"), Json("RUNNING"));
    scratch_.write("go", "");
    ASSERT_EQ(search({"--trials", "4", "--study", url}).code, 0);
    EXPECT_EQ(study("show", url).at("states").dump(), R"({"COMPLETE":4})");
  }
}

TEST_F(StudyCommands, WhatAProgramDoesWrongFailsItsTrialAndSaysWhy) {
  write_search(R"(case $trial in
0) exit 3;;
1) kill -9 $$;;
2) echo 'no {JSON';;
3) echo '{"values": [1, 2]}';;
4) echo '{"values": []}';;
5) echo '{"values": [NaN]}';;
6) echo '{"values": "1"}';;
7) echo '{"error": "it does not fit"}';;
8) echo '{"step": 1.5, "value": 1}';;
*) echo '{"values": ["Infinity"]}';;
esac)");
  const Outcome outcome = search({"--trials", "2"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const Json trials = study("trials");
  ASSERT_EQ(trials.size(), 11u);
  const char* const reasons[]{"exit status 3", "signal 9",        "an answer",
                              "2 values",      "0 values",        "not a number",
                              "an array",      "it does not fit", "an integer"};
  for (std::size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(trials[i].at("state"), Json("FAIL")) << i;
    EXPECT_EQ(trials[i].at("values"), Json()) << i;
    EXPECT_THAT(trials[i].at("user_attrs").at("hone:error").text(), HasSubstr(reasons[i])) << i;
    EXPECT_THAT(outcome.err, HasSubstr(reasons[i])) << i;
  }
  EXPECT_EQ(trials[9].at("values").dump(), R"(["Infinity"])");
}

TEST_F(StudyCommands, AProgramThatAlwaysFailsEndsTheSearch) {
  write_search("exit 1");
  const Outcome outcome = search({"--trials", "3"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("10 trials in a row failed"));
  write_search(answers_number);
  EXPECT_EQ(search({"--trials", "3"}).code, 0);
  scratch_.write("none.toml",
                 "recipe = 'search'\nsampler = 'random'\ndirections = ['minimize']\n"
                 "objective_command = ['./none']\n[space]\nx = [1, 2]\n");
  EXPECT_THAT(hone({"search", "none.toml"}).err, HasSubstr("'./none' cannot be started"));
}

TEST_F(StudyCommands, TimeoutBeginsNoTrial) {
  write_search("sleep 0.05; echo '{\"values\": [1]}'");
  const Outcome outcome = search({"--trials", "100000", "--timeout", "0.5"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("the time is up"));
  const Json states = study("show").at("states");
  EXPECT_EQ(states.items().size(), 1u) << states;
  EXPECT_TRUE(states.contains("COMPLETE")) << states;
  const Outcome two = search({"--trials", "100000", "--timeout", "0.5", "--jobs", "2"});
  EXPECT_EQ(two.code, 0) << two.err;
  EXPECT_THAT(two.err, HasSubstr("the time is up"));
}

TEST_F(StudyCommands, EqualTrialsAreComputedOnceWhereTheFileSaysSo) {
  write_search(answers_number, "directions = ['minimize']\nreuse = true", "kind = ['a', 'b']");
  const Outcome outcome = search({"--trials", "8"});
  ASSERT_EQ(outcome.code, 0);
  EXPECT_EQ(computed(), 2u);
  EXPECT_THAT(outcome.err, HasSubstr("the results of trial "));
  int reused = 0;
  const Json trials = study("trials");
  for (const Json& trial : trials)
    if (const Json* of = trial.at("user_attrs").find_member("hone:reused")) {
      ++reused;
      const Json& first = trials[of->get<std::size_t>()];
      EXPECT_EQ(trial.at("params"), first.at("params"));
      EXPECT_EQ(trial.at("values"), first.at("values"));
    }
  EXPECT_EQ(reused, 6);
  write_search(answers_number, "directions = ['minimize']", "kind = ['a', 'b']");
  ASSERT_EQ(search({"--trials", "8", "--study", "sqlite:s.db#each"}).code, 0);
  EXPECT_EQ(computed(), 10u);
}

TEST_F(StudyCommands, AFullDiskLosesNothingTold) {
  write_search(answers_number);
  ASSERT_EQ(search({"--trials", "5"}).code, 0);
  const Json before = study("trials");
  // Files of this process and its children end here; the write is refused, as on a full disk.
  const std::size_t size = std::filesystem::file_size(scratch_.path() / "s.db");
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit unlimited{};
  getrlimit(RLIMIT_FSIZE, &unlimited);
  rlimit limit{size + 60000, unlimited.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limit);
  const Outcome full = search({"--trials", "500"});
  setrlimit(RLIMIT_FSIZE, &unlimited);
  EXPECT_EQ(full.code, 1);
  EXPECT_THAT(full.err, HasSubstr("s.db"));
  EXPECT_THAT(full.err, HasSubstr("make room"));
  const Json after = study("trials");
  EXPECT_GT(after.size(), before.size());
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_EQ(after[i], before[i]);
  const std::size_t told = study("show").at("states").at("COMPLETE").get<std::size_t>();
  // Every line that was printed is kept.
  std::size_t said = 0;
  for (std::size_t at = 0; (at = full.err.find(": complete", at)) != std::string::npos; ++at)
    ++said;
  EXPECT_GE(told, before.size() + said);
  ASSERT_EQ(search({"--trials", std::to_string(told + 3)}).code, 0);
  const Json end = study("trials");
  EXPECT_EQ(end.size(), told + 3);
}

TEST_F(StudyCommands, ChangedSearchesAreRefused) {
  write_search(answers_number);
  ASSERT_EQ(search({"--trials", "2"}).code, 0);
  const auto refused = [&](const std::string& what) {
    const Outcome outcome = search({"--trials", "4"});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr(what));
    EXPECT_EQ(computed(), 2u);
  };
  write_search(answers_number, "directions = ['maximize']");
  refused("other directions");
  write_search(answers_number, "directions = ['minimize', 'minimize']");
  refused("other directions");
  write_search(answers_number, "directions = ['minimize']", "x = { low = 0.0, high = 1.0 }");
  refused("'kind'");
  write_search(answers_number, "directions = ['minimize']",
               "x = { low = 0.0, high = 1.0 }\nkind = ['a', 'b', 'c']");
  refused("'kind'");
  write_search(answers_number, "directions = ['minimize']",
               "x = { low = 0.0, high = 1.0 }\nkind = ['a', 'b']\nz = [1, 2]");
  refused("'z'");
  write_search(answers_number);
  sql("UPDATE study_user_attributes SET value_json = '\"0.0.1\"' WHERE key = 'hone:version'");
  const Outcome worker = hone({"worker", "--study", "sqlite:s.db#s"});
  EXPECT_EQ(worker.code, 1);
  EXPECT_THAT(worker.err, HasSubstr("0.0.1"));
  EXPECT_EQ(search({"--trials", "3"}).code, 0);
}

TEST_F(StudyCommands, InMemoryThereIsOneJob) {
  write_search(answers_number);
  EXPECT_EQ(search({"--study", "memory:", "--trials", "2"}).code, 0);
  EXPECT_EQ(search({"--study", "memory:", "--trials", "2", "--jobs", "2"}).code, 2);
}

TEST_F(StudyCommands, ManyParametersDoNotFillTheScreen) {
  std::string space;
  for (int i = 0; i < 52; ++i) space += fmt::format("p{} = ['a', 'b']\n", i);
  write_search(answers_number, "directions = ['minimize']", space);
  const Outcome outcome = search({"--trials", "2"});
  EXPECT_THAT(outcome.err, HasSubstr("44 more"));
  const Outcome best = hone({"study", "best", "sqlite:s.db"});
  EXPECT_THAT(best.out, HasSubstr("\n  p51 = "));
  EXPECT_THAT(hone({"study", "trials", "sqlite:s.db"}).out, HasSubstr("44 more"));
  EXPECT_EQ(study("best")[0].at("params").size(), 52u);
}

TEST_F(StudyCommands, PlacesThatAreNoneAreNamed) {
  for (const auto& [url, what] :
       std::vector<std::pair<std::string, std::string>>{{"s.db", "does not say where"},
                                                        {"mysql://host/db", "does not say where"},
                                                        {"sqlite:", "names no file"},
                                                        {"sqlite:.", "."},
                                                        {"sqlite:o.sh", "o.sh"}}) {
    write_search(answers_number);
    const Outcome outcome = hone({"study", "list", url});
    EXPECT_EQ(outcome.code, 1) << url;
    EXPECT_THAT(outcome.err, HasSubstr(what)) << url;
  }
}

// As a scheduler ends a job: the program first, the worker a moment later.
TEST_F(StudyCommands, AProgramThatEndsWithItsWorkerIsNoFailure) {
  write_search(
      "if [ $trial = 1 ] && [ ! -e ended ]; then touch ended\n"
      "(sleep 0.1; kill -TERM $PPID) & kill -TERM $$; fi\n" +
      std::string(answers_number));
  EXPECT_EQ(search({"--trials", "3"}).code, 130);
  EXPECT_EQ(study("show").at("states").dump(), R"({"COMPLETE":1,"RUNNING":1})");
  EXPECT_EQ(search({"--trials", "3"}).code, 0);
  EXPECT_EQ(study("show").at("states").dump(), R"({"COMPLETE":3})");
}

// A study that no search file began: Optuna keeps no space, its trials have their distributions.
TEST_F(StudyCommands, AStudyOfOptunaIsAskedForWhatItsTrialsTell) {
  write_search(answers_number);
  ASSERT_EQ(search({"--trials", "4"}).code, 0);
  sql("DELETE FROM study_user_attributes");
  ASSERT_EQ(hone({"study", "enqueue", "sqlite:s.db#s", "x=0.5", "kind=b"}).code, 0);
  EXPECT_EQ(study("ask").dump(), R"({"number":4,"params":{"kind":"b","x":0.5}})");
  const Json asked = study("ask");
  EXPECT_EQ(asked.at("number"), Json(5));
  EXPECT_EQ(asked.at("params").size(), 2u);
  const double x = asked.at("params").at("x").get<double>();
  EXPECT_TRUE(x >= 0 && x <= 1);
  EXPECT_THAT(hone({"study", "enqueue", "sqlite:s.db#s", "kind=c"}).err, HasSubstr("kind"));
  EXPECT_THAT(hone({"study", "enqueue", "sqlite:s.db#s", "y=1"}).err, HasSubstr("'y'"));
  // A parameter that not every trial has exists under a condition that nobody knows.
  sql("DELETE FROM trial_params WHERE param_name = 'kind' AND trial_id = 2");
  Outcome outcome = hone({"study", "ask", "sqlite:s.db#s"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("trial 1 has no parameter 'kind'"));
  EXPECT_THAT(outcome.err, HasSubstr("hone search FILE.toml --study"));
  EXPECT_EQ(hone({"study", "enqueue", "sqlite:s.db#s", "x=0.5"}).code, 0);
  // Ranges that changed are not one space.
  sql("UPDATE trial_params SET distribution_json = replace(distribution_json, '1.0', '2.0') "
      "WHERE param_name = 'x' AND trial_id = 3");
  outcome = hone({"study", "ask", "sqlite:s.db#s"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("parameter 'x' is"));
  sql("DELETE FROM trial_params");
  EXPECT_THAT(hone({"study", "ask", "sqlite:s.db#s"}).err, HasSubstr("not one of a search"));
}

}  // namespace
}  // namespace hone_test
