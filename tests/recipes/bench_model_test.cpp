// hone bench: inputs by shape, runs and what they say.
#include "hone/recipes/bench_model.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "support/expect_error.hpp"
#include "support/small_bert.hpp"

namespace hone_test {
namespace {

using namespace hone;

Model small_network() {
  Model model;
  model.name = "net";
  Graph& g = model.graph;
  const ValueId x = g.input("x", {DType::f32, {"N", 3, 20, 20}});
  const ValueId w = g.parameter("w", {DType::f32, {16, 3, 3, 3}});
  g.outputs = {{"y", g.apply("relu", {g.apply("conv", {x, w})})}};
  model.tensors.set("w", Tensor(DType::f32, {16, 3, 3, 3}));
  return model;
}

TEST(BenchModel, CountsRunsAndOperations) {
  const Model model = small_network();
  const auto inputs = random_inputs(model, {{"x", {2, 3, 20, 20}}});
  ASSERT_EQ(inputs.at("x").shape(), (Shape{2, 3, 20, 20}));
  EXPECT_NE(inputs.at("x").as<float>()[0], inputs.at("x").as<float>()[1]);
  for (const Mode mode : {Mode::eager, Mode::compiled}) {
    const ModeTimes times = bench_mode(model, mode, inputs, {.runs = 5, .warmup = 2});
    ASSERT_EQ(times.seconds.size(), 5u);
    EXPECT_GT(times.low, 0);
    EXPECT_LE(times.low, times.median);
    EXPECT_LE(times.median, times.high);
    EXPECT_GE(times.compile_seconds, 0);
    EXPECT_GT(times.arena_bytes, 0);
    // Two for each multiply-add: 2 images, 18 x 18 places, 16 filters of 27 numbers.
    EXPECT_GE(times.flop, 2.0 * 2 * 18 * 18 * 16 * 27);
    EXPECT_LE(times.flop, 2.1 * 2 * 18 * 18 * 16 * 27);
    for (const KernelTiming& kernel : times.kernels)
      EXPECT_NE(kernel.kernel.rfind("cpu.", 0), std::string::npos) << kernel.kernel;
  }
}

TEST(BenchModel, TextsHaveSequencesAndTokens) {
  const Model model = small_bert();
  const auto inputs = random_inputs(model, {{"text", {3, 20}}});
  std::int64_t most = 0;
  for (const auto& [name, tensor] : inputs) most = std::max(most, tensor.size());
  EXPECT_EQ(most, 60);
  EXPECT_EQ(bench_mode(model, Mode::compiled, inputs, {.runs = 1, .warmup = 1}).seconds.size(), 1u);
  EXPECT_ERROR(random_inputs(model, {{"text", {3}}}), ErrorCode::invalid_argument, "two sizes", "");
  EXPECT_ERROR(random_inputs(model, {{"text", {1, 100000}}}), ErrorCode::invalid_argument,
               "100000 tokens", "");
}

TEST(BenchModel, ABatchThatIsNotGivenHasOneSample) {
  EXPECT_EQ(random_inputs(small_network(), {}).at("x").shape(), (Shape{1, 3, 20, 20}));
}

TEST(BenchModel, ShapesThatDoNotFitAreRefused) {
  const Model model = small_network();
  Model open = model;
  open.graph.values.front().type.dims[2] = Dim("H");
  EXPECT_ERROR(random_inputs(open, {}), ErrorCode::invalid_argument, "size of H", "--shape x=");
  EXPECT_ERROR(random_inputs(model, {{"x", {2, 3, 20}}}), ErrorCode::invalid_argument, "input x",
               "");
  EXPECT_ERROR(random_inputs(model, {{"x", {2, 4, 20, 20}}}), ErrorCode::invalid_argument,
               "[2,4,20,20]", "");
  EXPECT_ERROR(random_inputs(model, {{"z", {2}}}), ErrorCode::invalid_argument, "no input 'z'", "");
}

TEST(BenchModel, BreakEven) {
  ModeTimes plain, compiled;
  plain.median = 3, compiled.median = 1, compiled.compile_seconds = 10;
  EXPECT_EQ(break_even_runs(plain, compiled), 5);
  compiled.compile_seconds = 0;
  EXPECT_EQ(break_even_runs(plain, compiled), 0);
  compiled.compile_seconds = 1, compiled.median = 4;
  EXPECT_TRUE(std::isinf(break_even_runs(plain, compiled)));
}

TEST(BenchModel, ThePeakIsAboveWhatAScalarLoopReaches) { EXPECT_GT(measure_peak_flops(), 2e9); }

}  // namespace
}  // namespace hone_test
