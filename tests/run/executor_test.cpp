#include "hone/run/executor.hpp"

#include <cstring>

#include <gtest/gtest.h>

#include "hone/core/philox.hpp"
#include "hone/graph/text.hpp"
#include "hone/passes/pass.hpp"
#include "support/expect_error.hpp"
#include "support/thread_scope.hpp"

namespace hone_test {
namespace {

using namespace hone;

Tensor random_tensor(Shape shape, std::uint64_t seed) {
  Tensor tensor(DType::f32, std::move(shape));
  RandomStream random(seed, 1);
  for (float& value : tensor.span<float>()) value = static_cast<float>(random.normal());
  return tensor;
}

Graph linear_graph() {
  Graph graph = parse_graph(R"(graph g {
  input %x : f32[T,8]
  param %w : f32[5,8]
  param %b : f32[5]
  %y : f32[T,5] = linear(%x, %w, %b)
  %z : f32[T,5] = tanh(%y)
  return z = %z
})");
  run_passes(graph, {{"group_rows"}});
  return graph;
}

Executor linear_executor(const Tensor& w, const Tensor& b) {
  Executor executor(linear_graph());
  executor.bind("w", w);
  executor.bind("b", b);
  return executor;
}

Tensor fresh_result(const Tensor& x, const Tensor& w, const Tensor& b) {
  Executor executor(linear_graph(), false);
  executor.bind("w", w);
  executor.bind("b", b);
  return executor.run({{"x", x}}).at("z");
}

void expect_near(const Tensor& got, const Tensor& expected) {
  ASSERT_EQ(got.shape(), expected.shape());
  for (std::int64_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got.as<float>()[i], expected.as<float>()[i], 1e-5) << i;
}

TEST(Executor, NamesWhatIsMissingOrDoesNotFit) {
  Executor executor(linear_graph());
  const Tensor x = random_tensor({3, 8}, 1);
  EXPECT_ERROR(executor.run({{"x", x}}), ErrorCode::internal, "%w is not bound");
  EXPECT_ERROR(executor.bind("w", random_tensor({8, 5}, 1)), ErrorCode::invalid_argument,
               "%w is f32[8,5], the graph wants f32[5,8]");
  executor.bind("w", random_tensor({5, 8}, 1));
  executor.bind("b", random_tensor({5}, 2));
  EXPECT_ERROR(executor.run({}), ErrorCode::invalid_argument, "input %x is missing");
  EXPECT_ERROR(executor.run({{"x", random_tensor({3, 7}, 1)}}), ErrorCode::invalid_argument,
               "input %x is f32[3,7], the graph wants f32[T,8]");
  EXPECT_ERROR(executor.run({{"x", Tensor(DType::i32, {3, 8})}}), ErrorCode::invalid_argument,
               "input %x is i32[3,8]");
  EXPECT_ERROR(executor.run({{"x", random_tensor({24}, 1)}}), ErrorCode::invalid_argument,
               "input %x");
  EXPECT_NO_THROW(executor.run({{"x", x}}));
}

TEST(Executor, ANamedSizeIsOneSize) {
  Executor executor(
      parse_graph("graph g {\n  input %x : f32[T,2]\n  input %y : f32[T,2]\n  %z : f32[T,2] = "
                  "add(%x, %y)\n  return z = %z\n}"));
  EXPECT_ERROR(executor.run({{"x", random_tensor({3, 2}, 1)}, {"y", random_tensor({4, 2}, 1)}}),
               ErrorCode::invalid_argument, "input %y");
  Executor starts(parse_graph(
      "graph g {\n  input %o : i32[B+1]\n  %s : i32[B] = sequence_starts(%o)\n  return s = %s\n}"));
  EXPECT_ERROR(starts.run({{"o", Tensor(DType::i32, {0})}}), ErrorCode::invalid_argument,
               "input %o");
}

// One executor serves all sizes, in any order, as a fresh one would.
TEST(Executor, AnySizeInAnyOrder) {
  const Tensor w = random_tensor({5, 8}, 3);
  const Tensor b = random_tensor({5}, 4);
  for (int threads : {1, 2, 3}) {
    const ThreadScope scope(threads);
    Executor executor = linear_executor(w, b);
    for (std::int64_t rows : {1, 300, 64, 0, 257, 16, 700, 3, 256, 1}) {
      const Tensor x = random_tensor({rows, 8}, static_cast<std::uint64_t>(rows));
      expect_near(executor.run({{"x", x}}).at("z"), fresh_result(x, w, b));
    }
  }
}

TEST(Executor, TheThreadCountMayChangeBetweenRuns) {
  const Tensor w = random_tensor({5, 8}, 3);
  const Tensor b = random_tensor({5}, 4);
  const Tensor x = random_tensor({100, 8}, 5);
  const Tensor expected = fresh_result(x, w, b);
  Executor executor = linear_executor(w, b);
  for (int threads : {1, 3, 2, 1, 5}) {
    const ThreadScope scope(threads);
    expect_near(executor.run({{"x", x}}).at("z"), expected);
    expect_near(executor.run({{"x", x}}).at("z"), expected);
  }
}

TEST(Executor, PackedParametersFollowTheirOwner) {
  const Tensor w = random_tensor({5, 8}, 3);
  const Tensor b = random_tensor({5}, 4);
  const Tensor x = random_tensor({10, 8}, 5);
  Executor executor = linear_executor(w, b);
  executor.run({{"x", x}});
  Tensor shared = w;
  for (float& value : shared.span<float>()) value += 1;
  executor.parameters_changed();
  expect_near(executor.run({{"x", x}}).at("z"), fresh_result(x, w, b));
  const Tensor other = random_tensor({5, 8}, 9);
  executor.bind("w", other);
  expect_near(executor.run({{"x", x}}).at("z"), fresh_result(x, other, b));
}

TEST(Executor, ResultsOutliveTheNextRun) {
  Executor executor = linear_executor(random_tensor({5, 8}, 3), random_tensor({5}, 4));
  const Tensor first = executor.run({{"x", random_tensor({4, 8}, 1)}}).at("z");
  const Tensor kept = first.clone();
  executor.run({{"x", random_tensor({4, 8}, 2)}});
  EXPECT_EQ(std::memcmp(first.data(), kept.data(), kept.bytes()), 0);
}

TEST(Executor, UpdatesAreWrittenToWhatIsBound) {
  Executor executor(parse_graph(R"(graph g {
  state %count : f32[2]
  state %seen : f32[2]
  input %x : f32[2]
  %sum : f32[2] = accumulate(%count, %x)
  %t : f32[2] = tanh(%x)
  return x = %x
  update %count = %sum
  update %seen = %t
})"));
  Tensor count(DType::f32, {2});
  Tensor seen(DType::f32, {2});
  executor.bind("count", count);
  executor.bind("seen", seen);
  const Tensor x = random_tensor({2}, 1);
  for (int i = 1; i <= 3; ++i) {
    const auto results = executor.run({{"x", x}});
    EXPECT_EQ(results.at("x").as<float>()[1], x.as<float>()[1]);
    EXPECT_NEAR(count.as<float>()[0], i * x.as<float>()[0], 1e-5);
    EXPECT_NEAR(seen.as<float>()[0], std::tanh(x.as<float>()[0]), 1e-6);
  }
}

TEST(Executor, KernelErrorsLeaveTheThreads) {
  Executor executor(
      parse_graph("graph g {\n  param %t : f32[9,4]\n  input %ids : i32[T]\n  %x : f32[T,4] = "
                  "embedding(%t, %ids)\n  return x = %x\n}"));
  executor.bind("t", random_tensor({9, 4}, 1));
  Tensor ids(DType::i32, {200});
  for (int threads : {1, 2, 3}) {
    const ThreadScope scope(threads);
    for (std::int32_t bad : {9, -1, 1 << 30}) {
      ids.as<std::int32_t>()[150] = bad;
      EXPECT_ERROR(executor.run({{"ids", ids}}), ErrorCode::invalid_argument,
                   "id " + std::to_string(bad) + " at row 150 is outside the table of 9 rows");
    }
    ids.as<std::int32_t>()[150] = 8;
    EXPECT_NO_THROW(executor.run({{"ids", ids}}));
  }
}

TEST(Executor, TimesEveryKernel) {
  Executor executor = linear_executor(random_tensor({5, 8}, 3), random_tensor({5}, 4));
  EXPECT_TRUE(executor.timings().empty());
  const ThreadScope scope(1);
  executor.run({{"x", random_tensor({128, 8}, 1)}});
  double flop = 0;
  std::vector<std::string> names;
  for (const KernelTiming& timing : executor.timings()) {
    names.push_back(timing.kernel);
    EXPECT_EQ(timing.calls, 2) << timing.kernel;  // two tiles of 64 rows
    if (timing.op == "linear") flop = timing.flop;
  }
  EXPECT_THAT(names, testing::UnorderedElementsAre("cpu.linear", "cpu.tanh"));
  EXPECT_GE(flop, 2.0 * 128 * 5 * 8);
  EXPECT_LE(flop, 2.1 * 128 * 5 * 9);
}

}  // namespace
}  // namespace hone_test
