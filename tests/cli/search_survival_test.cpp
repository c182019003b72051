// Searches whose processes are killed: the small ones of each day.
#include "cli/search_survival.hpp"

namespace hone_test {
namespace {

TEST(SearchSurvival, KilledWorkersAndCoordinatorsLoseNothing) {
  const ScratchDirectory folder;
  SurvivalRun({.storage = "sqlite:" + (folder.path() / "s.db").string()}).run();
}

TEST(SearchSurvival, ARestartedServerLosesNothing) {
  if (!PostgresServer::is_installed()) GTEST_SKIP() << "PostgreSQL is not installed";
  PostgresServer server;
  SurvivalRun({.storage = server.new_database(), .restarts = 1, .server = &server}).run();
}

}  // namespace
}  // namespace hone_test
