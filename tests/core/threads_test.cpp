// The loops over the team of threads: everything once, errors, nesting, and where threads are
// missing.
#include "hone/core/threads.hpp"

#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hone {
namespace {

// Gives the count of threads back when a test ends.
class Threads : public ::testing::TestWithParam<int> {
protected:
  Threads() { set_thread_count(GetParam()); }
  ~Threads() override { set_thread_count(0); }
};

TEST_P(Threads, EveryItemRunsOnceOnAThreadOfTheTeam) {
  for (const std::int64_t count : {0, 1, 2, 3, 1000}) {
    std::vector<std::atomic<int>> runs(static_cast<std::size_t>(count));
    parallel_items(count, [&](std::int64_t i, int thread) {
      EXPECT_GE(thread, 0);
      EXPECT_LT(thread, thread_count());
      ++runs[static_cast<std::size_t>(i)];
    });
    for (const auto& run : runs) EXPECT_EQ(run, 1);
  }
}

TEST_P(Threads, RangesCoverEverythingAndDependOnTheCountsAlone) {
  for (const std::int64_t count : {0, 1, 7, 1000}) {
    std::vector<std::pair<std::int64_t, std::int64_t>> ranges(static_cast<std::size_t>(GetParam()));
    parallel_ranges(count, [&](std::int64_t begin, std::int64_t end, int range) {
      ranges.at(static_cast<std::size_t>(range)) = {begin, end};
    });
    for (int r = 0; r < GetParam(); ++r) {
      EXPECT_EQ(ranges[static_cast<std::size_t>(r)].first, count * r / GetParam());
      EXPECT_EQ(ranges[static_cast<std::size_t>(r)].second, count * (r + 1) / GetParam());
    }
  }
}

TEST_P(Threads, TheFirstErrorIsRethrownAndTheTeamGoesOn) {
  for (int again = 0; again < 3; ++again) {
    EXPECT_THROW(parallel_items(100,
                                [](std::int64_t i, int) {
                                  if (i == 50) throw std::runtime_error("item 50");
                                }),
                 std::runtime_error);
    EXPECT_THROW(parallel_ranges(100, [](std::int64_t, std::int64_t, int) { throw 1; }), int);
    EXPECT_THROW(parallel_team(GetParam(), [](int) { throw 1; }), int);
    std::atomic<int> sum = 0;
    parallel_items(10, [&](std::int64_t i, int) { sum += static_cast<int>(i); });
    EXPECT_EQ(sum, 45);
  }
}

TEST_P(Threads, ALoopInsideALoopIsTheThreadsOwnWork) {
  std::atomic<int> runs = 0;
  parallel_items(20, [&](std::int64_t, int) {
    const std::thread::id own = std::this_thread::get_id();
    parallel_items(10, [&](std::int64_t, int) {
      EXPECT_EQ(std::this_thread::get_id(), own);
      ++runs;
    });
    parallel_ranges(10, [&](std::int64_t begin, std::int64_t end, int) {
      EXPECT_EQ(std::this_thread::get_id(), own);
      runs += static_cast<int>(end - begin);
    });
  });
  EXPECT_EQ(runs, 400);
}

TEST_P(Threads, ATeamCallsEachThreadAtMostOnceAndTheFirstAlways) {
  for (int again = 0; again < 200; ++again) {
    std::vector<std::atomic<int>> calls(static_cast<std::size_t>(GetParam()));
    parallel_team(GetParam(), [&](int thread) { ++calls.at(static_cast<std::size_t>(thread)); });
    EXPECT_EQ(calls[0], 1);
    for (const auto& call : calls) EXPECT_LE(call, 1);
  }
}

// Threads of a program that uses the library at the same time all get their work done.
TEST_P(Threads, LoopsOfSeveralThreadsOfAProgram) {
  std::atomic<std::int64_t> sum = 0;
  std::vector<std::thread> program;
  for (int t = 0; t < 4; ++t)
    program.emplace_back([&] {
      for (int again = 0; again < 50; ++again)
        parallel_items(100, [&](std::int64_t i, int) { sum += i; });
    });
  for (std::thread& thread : program) thread.join();
  EXPECT_EQ(sum, 4 * 50 * 4950);
}

INSTANTIATE_TEST_SUITE_P(Counts, Threads, ::testing::Values(1, 2, 3, 8));

// Long pauses between loops (helpers sleep) and none (they look).
TEST(ThreadsWaiting, NoWorkIsLostAfterPauses) {
  set_thread_count(2);
  std::atomic<int> sum = 0;
  for (int again = 0; again < 30; ++again) {
    for (int quick = 0; quick < 100; ++quick) parallel_items(2, [&](std::int64_t, int) { ++sum; });
    std::this_thread::sleep_for(std::chrono::milliseconds(again % 3));
  }
  set_thread_count(0);
  EXPECT_EQ(sum, 6000);
}

TEST(ThreadsWaiting, AForkedProcessHasATeamOfItsOwn) {
  set_thread_count(2);
  parallel_items(8, [](std::int64_t, int) {});
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::atomic<int> sum = 0;
    parallel_items(100, [&](std::int64_t i, int) { sum += static_cast<int>(i); });
    _exit(sum == 4950 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  set_thread_count(0);
}

}  // namespace
}  // namespace hone
