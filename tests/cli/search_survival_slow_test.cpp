// Searches whose processes are killed: 32 workers, 1,000 trials, 50 kills.
#include "cli/search_survival.hpp"

namespace hone_test {
namespace {

Survival large(const std::string& storage) {
  return {.storage = storage, .workers = 32, .trials = 1000, .kills = 50, .coordinator_kills = 2};
}

TEST(SearchSurvivalLarge, ThirtyTwoProcessesOnOneSqliteStudy) {
  const ScratchDirectory folder;
  SurvivalRun(large("sqlite:" + (folder.path() / "s.db").string())).run();
}

TEST(SearchSurvivalLarge, ThirtyTwoProcessesOnAServerThatRestartsThreeTimes) {
  if (!PostgresServer::is_installed()) GTEST_SKIP() << "PostgreSQL is not installed";
  PostgresServer server;
  Survival plan = large(server.new_database());
  plan.restarts = 3;
  plan.server = &server;
  SurvivalRun(plan).run();
}

}  // namespace
}  // namespace hone_test
