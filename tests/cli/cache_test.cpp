// hone cache: what runs keep is counted and let go, and nothing else.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.hpp"

namespace hone_test {
namespace {

using testing::HasSubstr;

hone::Json cache_named(const ScratchDirectory& scratch, const std::string& name) {
  const Outcome outcome = run_hone(scratch, {"cache", "list", "--json", "cache.json"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const hone::Json results = json_of(scratch, "cache.json");
  for (const hone::Json& cache : results.at("caches"))
    if (cache.at("cache") == name) return cache;
  return {};
}

TEST(CacheCommand, CountsWhatARunKeptAndLetsItGo) {
  const ScratchDirectory scratch;
  EXPECT_EQ(cache_named(scratch, "tokens").at("files"), 0);
  ASSERT_EQ(run_hone(scratch, train_words("model", {"--steps", "1"})).code, 0);
  std::string rows = "text,label\n";
  for (int i = 0; i < 40; ++i) rows += i % 2 == 0 ? "good film,positive\n" : "bad film,negative\n";
  scratch.write("own.csv", rows);
  const auto evaluate = [&] {
    const Outcome outcome = run_hone(scratch, {"eval", "model", "--data", "csv:own.csv"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  };
  evaluate();
  const hone::Json kept = cache_named(scratch, "tokens");
  EXPECT_GT(kept.at("files").get<int>(), 0);
  EXPECT_GT(kept.at("bytes").get<int>(), 0);
  const auto notes = scratch.path() / "cache" / "tokens" / "notes.txt";
  scratch.write("cache/tokens/notes.txt", "mine");
  const Outcome cleared = run_hone(scratch, {"cache", "clear", "tokens"});
  EXPECT_EQ(cleared.code, 0) << cleared.err;
  EXPECT_THAT(cleared.out, HasSubstr("let go"));
  EXPECT_EQ(cache_named(scratch, "tokens").at("files"), 0);
  EXPECT_TRUE(std::filesystem::exists(notes));
  evaluate();
  EXPECT_EQ(cache_named(scratch, "tokens").at("files"), 1) << "made again, of the data of this run";
}

TEST(CacheCommand, UnknownWordsAreSaid) {
  const ScratchDirectory scratch;
  const Outcome cache = run_hone(scratch, {"cache", "clear", "tokenz"});
  EXPECT_EQ(cache.code, 2);
  EXPECT_THAT(cache.err, HasSubstr("unknown cache 'tokenz'"));
  EXPECT_THAT(cache.err, HasSubstr("tokens"));
  const Outcome action = run_hone(scratch, {"cache", "empty"});
  EXPECT_EQ(action.code, 2);
  EXPECT_THAT(action.err, HasSubstr("unknown action 'empty'"));
}

}  // namespace
}  // namespace hone_test
