// What every storage keeps, read again by another connection.
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <thread>

#include <gtest/gtest.h>

#include "hone/search/copy.hpp"
#include "hone/search/python_json.hpp"
#include "hone/search/study.hpp"
#include "search/postgres_server.hpp"
#include "search/sampling.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"

namespace hone_test {
namespace {

using namespace hone;

// A place of its own for each test. In memory a second connection would be a second place.
class EveryStorage : public testing::TestWithParam<std::string> {
protected:
  void SetUp() override {
    if (GetParam() == "postgresql") {
      if (!PostgresServer::is_installed()) GTEST_SKIP() << "PostgreSQL is not installed";
      url_ = PostgresServer::shared().new_database();
    } else {
      url_ = "sqlite:" + (folder_.path() / "below" / "s.db").string();
    }
  }
  std::unique_ptr<Storage> open(bool create = true) const {
    return GetParam() == "memory" ? open_storage({.url = "memory:"})
                                  : open_storage({.url = url_, .create = create, .patience = 10});
  }
  // As another process sees it.
  Storage& again(Storage& first) {
    if (GetParam() == "memory") return first;
    second_ = open(false);
    return *second_;
  }

  ScratchDirectory folder_;
  std::string url_;
  std::unique_ptr<Storage> second_;
};

INSTANTIATE_TEST_SUITE_P(Storage, EveryStorage, testing::Values("memory", "sqlite", "postgresql"),
                         [](const auto& info) { return info.param; });

Trial rich_trial() {
  Trial trial;
  trial.parameters = {{parameter("lr", reals(1e-5, 1, 0, true, "lr")), 0.1 + 0.2},
                      {parameter("layers", integers(1, 9, 2, false, "layers")), 3},
                      {parameter("kind", categorical({"ü", nullptr, true, 1.5, 2}, "kind")), 2}};
  trial.user_attributes = {{"note", Json{{"deep", {1, nullptr, std::nan("")}}}}};
  trial.system_attributes = {{owner_attribute, "me"}};
  trial.start = Time(std::chrono::microseconds(1764429436753249));
  return trial;
}

void expect_equal(const Trial& a, const Trial& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.number, b.number);
  EXPECT_EQ(a.state, b.state);
  EXPECT_EQ(a.values, b.values);
  ASSERT_EQ(a.parameters.size(), b.parameters.size());
  for (std::size_t i = 0; i < a.parameters.size(); ++i) {
    EXPECT_EQ(a.parameters[i].name(), b.parameters[i].name());
    EXPECT_EQ(a.parameters[i].internal, b.parameters[i].internal);
    EXPECT_TRUE(a.parameters[i].parameter->distribution == b.parameters[i].parameter->distribution);
  }
  EXPECT_EQ(to_python_json(Json(a.user_attributes)), to_python_json(Json(b.user_attributes)));
  EXPECT_EQ(to_python_json(Json(a.system_attributes)), to_python_json(Json(b.system_attributes)));
  EXPECT_EQ(a.start, b.start);
  EXPECT_EQ(a.complete, b.complete);
}

TEST_P(EveryStorage, KeepsEveryFieldToTheLastBit) {
  const auto storage = open();
  const StudyId id = storage->create_study("näs", {Direction::minimize, Direction::maximize});
  storage->set_study_attributes(id, {{"a", 1}}, {{"study:metric_names", {"x", "y"}}});
  storage->set_study_attributes(id, {{"a", 2}, {"b", "c"}}, {});
  const Trial made = storage->create_trial(id, rich_trial(), std::nullopt, true).value();
  EXPECT_EQ(made.number, 0);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  ASSERT_TRUE(storage->change_trial(
      made.id, {.state = TrialState::running,
                .intermediate = {{1, std::nan("")}, {2, -infinity}, {10, 5e-324}}}));
  ASSERT_TRUE(storage->change_trial(made.id, {.intermediate = {{2, 1.0 / 3}}}));
  const Time end = now();
  ASSERT_TRUE(storage->change_trial(made.id, {.state = TrialState::complete,
                                              .values = {1.7976931348623157e308, infinity},
                                              .complete = end,
                                              .durable = true}));
  Storage& other = again(*storage);
  const StudyData study = other.study(id);
  EXPECT_EQ(study.name, "näs");
  EXPECT_EQ(study.directions, (std::vector{Direction::minimize, Direction::maximize}));
  EXPECT_EQ(Json(study.user_attributes).dump(), R"({"a":2,"b":"c"})");
  EXPECT_EQ(Json(study.system_attributes).dump(), R"({"study:metric_names":["x","y"]})");
  std::vector<Trial> trials;
  other.refresh(id, trials);
  ASSERT_EQ(trials.size(), 1u);
  Trial expected = made;
  expected.state = TrialState::complete;
  expected.values = {1.7976931348623157e308, infinity};
  expected.complete = end;
  expect_equal(trials[0], expected);
  ASSERT_EQ(trials[0].intermediate.size(), 3u);
  EXPECT_TRUE(std::isnan(trials[0].intermediate.at(1)));
  EXPECT_EQ(trials[0].intermediate.at(2), 1.0 / 3);
  EXPECT_EQ(trials[0].intermediate.at(10), 5e-324);
}

TEST_P(EveryStorage, FinishedTrialsStayAsTheyAre) {
  const auto storage = open();
  const StudyId id = storage->create_study("s", {Direction::minimize});
  const Trial made = storage->create_trial(id, rich_trial(), std::nullopt, false).value();
  const TrialChange end{.state = TrialState::fail, .complete = now(), .durable = true};
  EXPECT_FALSE(storage->change_trial(made.id, {.expected_state = TrialState::waiting}));
  EXPECT_FALSE(storage->change_trial(made.id, {.expected_owner = "you"}));
  EXPECT_TRUE(storage->change_trial(made.id, {.expected_owner = "me", .heartbeat = true}));
  EXPECT_TRUE(storage->change_trial(made.id, end));
  EXPECT_FALSE(storage->change_trial(made.id, end));
  EXPECT_FALSE(storage->change_trial(made.id, {.values = {1}}));
  std::vector<Trial> trials;
  again(*storage).refresh(id, trials);
  EXPECT_EQ(trials.at(0).state, TrialState::fail);
  EXPECT_TRUE(trials[0].values.empty());
}

TEST_P(EveryStorage, TrialsAreCountedByStudyAndNeverTwice) {
  const auto storage = open();
  const StudyId a = storage->create_study("a", {Direction::minimize});
  const StudyId b = storage->create_study("b", {Direction::minimize});
  Storage& other = again(*storage);
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(storage->create_trial(a, rich_trial(), i, false)->number, i);
    EXPECT_FALSE(other.create_trial(a, rich_trial(), i, false).has_value());
    EXPECT_EQ(other.create_trial(b, rich_trial(), i, false)->number, i);
  }
  std::vector<Trial> trials;
  storage->refresh(a, trials);
  // One at the begin, some in the middle and one at the end change; more are added.
  for (const int i : {0, 20, 21, 39})
    ASSERT_TRUE(other.change_trial(trials.at(static_cast<std::size_t>(i)).id,
                                   {.state = TrialState::complete, .values = {1.0 * i}}));
  other.create_trial(a, rich_trial(), std::nullopt, false);
  std::vector<Trial> fresh;
  for (std::vector<Trial>* list : {&trials, &fresh}) {
    storage->refresh(a, *list);
    ASSERT_EQ(list->size(), 41u);
    for (std::size_t i = 0; i < list->size(); ++i) {
      const Trial& trial = (*list)[i];
      EXPECT_EQ(trial.number, static_cast<std::int64_t>(i));
      EXPECT_EQ(trial.parameters.size(), 3u);
      const bool told = i == 0 || i == 20 || i == 21 || i == 39;
      EXPECT_EQ(trial.state, told ? TrialState::complete : TrialState::running);
      EXPECT_EQ(trial.values.size(), told ? 1u : 0u);
    }
  }
}

TEST_P(EveryStorage, HeartbeatsAreOfTrialsThatRun) {
  const auto storage = open();
  const StudyId id = storage->create_study("s", {Direction::minimize});
  const Trial a = storage->create_trial(id, rich_trial(), std::nullopt, true).value();
  const Trial b = storage->create_trial(id, rich_trial(), std::nullopt, false).value();
  const Trial c = storage->create_trial(id, rich_trial(), std::nullopt, true).value();
  storage->change_trial(c.id, {.state = TrialState::complete, .values = {1}});
  const std::vector<Heartbeat> beats = again(*storage).heartbeats(id);
  ASSERT_EQ(beats.size(), 1u);
  EXPECT_EQ(beats[0].trial, a.id);
  EXPECT_GE(beats[0].age, 0);
  EXPECT_LT(beats[0].age, 30);
  (void)b;
}

TEST_P(EveryStorage, StudiesAreMadeOnceAndGoWhole) {
  const auto storage = open();
  const StudyId a = storage->create_study("a", {Direction::minimize});
  EXPECT_ERROR(again(*storage).create_study("a", {Direction::minimize}),
               ErrorCode::invalid_argument, "'a' already");
  const StudyId b = storage->create_study("b", {Direction::minimize});
  for (const StudyId id : {a, b})
    storage->change_trial(storage->create_trial(id, rich_trial(), std::nullopt, true)->id,
                          {.state = TrialState::complete, .values = {1}, .intermediate = {{1, 2}}});
  storage->delete_study(a);
  EXPECT_EQ(storage->studies().size(), 1u);
  EXPECT_ERROR(storage->study(a), ErrorCode::not_found, "no study");
  EXPECT_ERROR(storage->create_trial(a, rich_trial(), std::nullopt, false), ErrorCode::not_found,
               "no study");
  std::vector<Trial> trials;
  storage->refresh(b, trials);
  EXPECT_EQ(trials.size(), 1u);
}

TEST_P(EveryStorage, CopiesAreEqual) {
  const auto storage = open();
  const StudyId id = storage->create_study("s", {Direction::minimize});
  for (int i = 0; i < 3; ++i) {
    const Trial made = storage->create_trial(id, rich_trial(), std::nullopt, false).value();
    if (i > 0)
      storage->change_trial(made.id, {.state = i == 1 ? TrialState::pruned : TrialState::complete,
                                      .values = {0.5},
                                      .intermediate = {{7, 0.25}},
                                      .complete = now()});
  }
  const Study from(*storage, id);
  const auto to = open_storage({.url = "memory:"});
  const Study copied(*to, copy_study(from, *to, "t"));
  ASSERT_EQ(copied.trials().size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    Trial expected = from.trials()[i];
    expected.id = copied.trials()[i].id;
    expect_equal(copied.trials()[i], expected);
    EXPECT_EQ(copied.trials()[i].intermediate, expected.intermediate);
  }
}

TEST(Sqlite, WhatIsNoStudyIsRefused) {
  const ScratchDirectory folder;
  const std::string url = "sqlite:" + (folder.path() / "s.db").string();
  EXPECT_ERROR(open_storage({.url = url}), ErrorCode::not_found, "s.db");
  EXPECT_ERROR(open_storage({.url = url, .create = true, .read_only = true}), ErrorCode::not_found,
               "s.db");
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "s.db"));
  folder.write("s.db", std::string(5000, 'x'));
  EXPECT_ERROR(open_storage({.url = url, .create = true}), ErrorCode::bad_format, "s.db");
}

// A file that is changed as another program would.
class ForeignSqlite : public testing::Test {
protected:
  void SetUp() override {
    open_storage({.url = url_, .create = true})->create_study("s", {Direction::minimize});
  }
  void run(const char* sql) {
    if (database_ == nullptr) ASSERT_EQ(sqlite3_open(path_.c_str(), &database_), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(database_, sql, nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database_);
  }
  void TearDown() override { sqlite3_close(database_); }

  ScratchDirectory folder_;
  std::string path_ = (folder_.path() / "with # and 50%? s.db").string();
  std::string url_ = "sqlite:" + path_;
  sqlite3* database_ = nullptr;
};

TEST_F(ForeignSqlite, NewerOlderAndHalfWrittenOnesAreRefused) {
  const auto refused = [&](ErrorCode code, const std::string& what) {
    for (const bool read_only : {true, false})
      EXPECT_ERROR(open_storage({.url = url_, .create = !read_only, .read_only = read_only}), code,
                   what);
  };
  run("UPDATE version_info SET schema_version = 13");
  refused(ErrorCode::unsupported, "newer (schema 13");
  run("UPDATE version_info SET schema_version = 12; "
      "UPDATE alembic_version SET version_num = 'v9.0.0.a'");
  refused(ErrorCode::unsupported, "newer (schema 12, v9.0.0.a");
  run("UPDATE alembic_version SET version_num = 'v2.6.0.a'");
  refused(ErrorCode::unsupported, "older");
  run("UPDATE alembic_version SET version_num = 'v3.2.0.a'; DROP TABLE trial_params");
  refused(ErrorCode::bad_format, "half-written: the table 'trial_params'");
  run("DELETE FROM version_info");
  refused(ErrorCode::bad_format, "half-written");
  run("DROP TABLE version_info");
  refused(ErrorCode::bad_format, "no studies");
}

TEST_F(ForeignSqlite, OneThatAnotherProgramHoldsIsSaidAfterPatience) {
  const auto held = [&](const auto& call) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_ERROR(call(), ErrorCode::io, "another program has held it");
    EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(300));
  };
  const auto storage = open_storage({.url = url_, .patience = 0.3});
  run("BEGIN EXCLUSIVE; UPDATE studies SET study_name = 't'");
  held([&] { storage->create_study("u", {Direction::minimize}); });
  EXPECT_EQ(open_storage({.url = url_, .patience = 0.3})->studies().at(0).name, "s");
  run("ROLLBACK");
  storage->create_study("u", {Direction::minimize});
}

TEST(Sqlite, AnOptunaFileThatIsHeldIsSaidAfterPatience) {
  // Without a write-ahead log readers wait too.
  const ScratchDirectory folder;
  const std::string path = (folder.path() / "s.db").string();
  const std::string url = "sqlite:" + path;
  open_storage({.url = url, .create = true})->create_study("s", {Direction::minimize});
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE", nullptr, nullptr,
                         nullptr),
            SQLITE_OK);
  for (const bool read_only : {true, false})
    EXPECT_ERROR(open_storage({.url = url, .read_only = read_only, .patience = 0.3}), ErrorCode::io,
                 "another program has held it");
  sqlite3_exec(other, "COMMIT", nullptr, nullptr, nullptr);
  sqlite3_close(other);
  EXPECT_EQ(open_storage({.url = url, .read_only = true})->studies().size(), 1u);
}

TEST_F(ForeignSqlite, AWriterThatIsBusyForAWhileIsWaitedFor) {
  const auto storage = open_storage({.url = url_, .patience = 30});
  run("BEGIN IMMEDIATE; UPDATE studies SET study_name = 't'");
  EXPECT_EQ(storage->studies().at(0).name, "s") << "reading waits for nobody";
  std::thread release([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    run("COMMIT");
  });
  storage->create_study("u", {Direction::minimize});
  release.join();
  EXPECT_EQ(storage->studies().size(), 2u);
}

TEST_F(ForeignSqlite, ReadingLeavesNoFileAndReadsWhatIsOnlyInTheLog) {
  run("PRAGMA wal_autocheckpoint = 0; UPDATE studies SET study_name = 'log'");
  EXPECT_EQ(open_storage({.url = url_, .read_only = true})->studies().at(0).name, "log");
  sqlite3_close(database_);
  database_ = nullptr;
  const auto files = [&] {
    return std::distance(std::filesystem::directory_iterator(folder_.path()),
                         std::filesystem::directory_iterator());
  };
  EXPECT_EQ(files(), 1);
  const auto reader = open_storage({.url = url_, .read_only = true});
  EXPECT_EQ(reader->studies().at(0).name, "log");
  EXPECT_ERROR(reader->create_study("x", {Direction::minimize}), ErrorCode::io, "readonly");
  EXPECT_EQ(files(), 1);
  // The same reader sees what is written later.
  run("UPDATE studies SET study_name = 'later'");
  EXPECT_EQ(reader->studies().at(0).name, "later");
}

TEST(Sqlite, WhatAKilledProgramHasHalfWrittenIsTakenBackByReading) {
  const ScratchDirectory folder;
  const std::string path = (folder.path() / "s.db").string();
  const std::string url = "sqlite:" + path;
  {
    const auto storage = open_storage({.url = url, .create = true});
    const StudyId id = storage->create_study("s", {Direction::minimize});
    for (int i = 0; i < 200; ++i) storage->create_trial(id, rich_trial(), std::nullopt, false);
  }
  // Optuna's files have no write-ahead log: the half transaction lies in the file itself.
  const pid_t child = fork();
  if (child == 0) {
    sqlite3* database = nullptr;
    sqlite3_open(path.c_str(), &database);
    sqlite3_exec(database,
                 "PRAGMA journal_mode = DELETE; PRAGMA cache_size = 5; BEGIN; "
                 "UPDATE studies SET study_name = 'half'; UPDATE trial_params SET param_value = 7",
                 nullptr, nullptr, nullptr);
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  ASSERT_TRUE(std::filesystem::exists(path + "-journal"));
  const auto reader = open_storage({.url = url, .read_only = true});
  ASSERT_EQ(reader->studies().at(0).name, "s");
  std::vector<Trial> trials;
  reader->refresh(reader->studies()[0].id, trials);
  ASSERT_EQ(trials.size(), 200u);
  for (const Trial& trial : trials) EXPECT_EQ(trial.assignment(), rich_trial().assignment());
  EXPECT_ERROR(reader->create_study("x", {Direction::minimize}), ErrorCode::io, "readonly");
}

TEST(Postgresql, OneThatCannotBeReachedIsSaidSoon) {
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_ERROR(open_storage({.url = "postgresql://me:secret@127.0.0.1:1/none", .patience = 0.5}),
               ErrorCode::io, "postgresql://me@127.0.0.1:1/none: could not be had");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  EXPECT_ERROR(open_storage({.url = "postgresql://no-such-host.invalid/none", .patience = 0.5}),
               ErrorCode::io, "no-such-host.invalid");
  if (!PostgresServer::is_installed()) GTEST_SKIP() << "PostgreSQL is not installed";
  const std::string url = PostgresServer::shared().new_database();
  EXPECT_ERROR(open_storage({.url = url + "x"}), ErrorCode::io, "does not exist");
  EXPECT_ERROR(open_storage({.url = url}), ErrorCode::not_found, "holds no studies");
  const auto storage = open_storage({.url = url, .create = true});
  storage->create_study("s", {Direction::minimize});
  const auto reader = open_storage({.url = url, .read_only = true});
  EXPECT_EQ(reader->studies().size(), 1u);
  EXPECT_ERROR(reader->create_study("t", {Direction::minimize}), ErrorCode::io, "read-only");
}

TEST(StudyAddress, IsReadAsPeopleWriteIt) {
  EXPECT_EQ(parse_study_address("sqlite:runs/s.db#nas").url, "sqlite:runs/s.db");
  EXPECT_EQ(parse_study_address("sqlite:runs/s.db#nas").name, "nas");
  EXPECT_EQ(parse_study_address("sqlite:runs/s.db#try #2").url, "sqlite:runs/s.db");
  EXPECT_EQ(parse_study_address("sqlite:runs/s.db#try #2").name, "try #2");
  EXPECT_EQ(parse_study_address("sqlite:///runs/s.db").url, "sqlite:runs/s.db");
  EXPECT_EQ(parse_study_address("sqlite:////runs/s.db").url, "sqlite:/runs/s.db");
  EXPECT_EQ(parse_study_address("postgresql+psycopg2://h/d").url, "postgresql://h/d");
  EXPECT_EQ(parse_study_address("memory:").name, "");
  for (const char* wrong : {"", "s.db", "mysql://h/d", "sqlite"})
    EXPECT_ERROR(parse_study_address(wrong), ErrorCode::invalid_argument, "kept");
}

}  // namespace
}  // namespace hone_test
