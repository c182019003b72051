// Every CPU kernel against its op's reference: every sample it takes, several thread counts, tile
// sizes, and each set of vector instructions that this machine has.
#include <cmath>
#include <cstring>
#include <limits>

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include "contract/sample_run.hpp"
#include "hone/core/error.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "support/vector_targets.hpp"

namespace hone_test {
namespace {

class KernelContract : public testing::TestWithParam<std::string> {
protected:
  const Kernel& kernel() const {
    for (const Kernel& each : cpu_kernel_table())
      if (each.name == GetParam()) return each;
    throw Error(ErrorCode::internal, "no kernel " + GetParam());
  }
};

std::vector<std::string> kernel_names() {
  std::vector<std::string> names;
  for (const Kernel& kernel : cpu_kernel_table()) names.push_back(kernel.name);
  return names;
}

std::string dotless(std::string name) {
  for (char& c : name)
    if (c == '.') c = '_';
  return name;
}

TEST_P(KernelContract, IsDescribed) {
  EXPECT_FALSE(kernel().summary.empty());
  EXPECT_NE(kernel().run, nullptr);
  EXPECT_EQ(kernel().rows, find_op(kernel().op).rows) << "the plan cuts rows by the op's rule";
  EXPECT_EQ(kernel().name.rfind("cpu.", 0), 0u);
  if (kernel().begin_once) EXPECT_NE(kernel().begin, nullptr);
}

// The executor with these settings runs the sample by this kernel; false if the plan takes another.
void compare(const Kernel& kernel, const Op& op, const OpSample& sample, int threads,
             std::int64_t tile_rows, bool named_rows, const std::vector<Tensor>& expected,
             int& runs) {
  ThreadScope scope(threads);
  Graph graph = sample_graph(op, sample, named_rows);
  const KernelChoice choice = choose_kernel({graph, graph.nodes[0], {{"R", 1}}, threads});
  if (choice.kernel == nullptr || choice.kernel->name != kernel.name) return;
  ++runs;
  SCOPED_TRACE(testing::Message() << sample.name << ", " << threads << " threads, tiles of "
                                  << tile_rows << (named_rows ? ", named rows" : ""));
  Executor executor(std::move(graph), ExecutorOptions{.use_kernels = true, .tile_rows = tile_rows});
  const std::vector<Tensor> first = run_once(executor, op, sample);
  expect_close(op, first, expected, sample.tolerance);
  // Again with what the first run left in the workspace: the same bits.
  const std::vector<Tensor> second = run_once(executor, op, sample);
  for (std::size_t i = 0; i < first.size(); ++i) {
    const std::int64_t count = defined_elements(op, first, i);
    EXPECT_EQ(std::memcmp(first[i].data(), second[i].data(),
                          static_cast<std::size_t>(count) * size_of(first[i].dtype())),
              0)
        << "output " << i << " differs in a second run";
  }
}

TEST_P(KernelContract, GivesWhatTheReferenceGives) {
  if (kernel().missing != nullptr && !kernel().missing().empty())
    GTEST_SKIP() << kernel().missing();
  const Op& op = find_op(kernel().op);
  int runs = 0;
  for (const OpSample& sample : op.samples()) {
    const std::vector<Tensor> expected = reference_of(op, sample);
    for_each_vector_target([&] {
      for (int threads : {1, 2, 3})
        for (std::int64_t tile_rows : {1, 7, 64})
          for (bool named_rows : {false, true}) {
            if (op.rows == RowRule::whole && (tile_rows != 1 || named_rows)) continue;
            compare(kernel(), op, sample, threads, tile_rows, named_rows, expected, runs);
          }
    });
  }
  EXPECT_GT(runs, 0) << "no sample of " << op.name << " is computed by this kernel";
}

INSTANTIATE_TEST_SUITE_P(Kernels, KernelContract, testing::ValuesIn(kernel_names()),
                         [](const auto& instance) { return dotless(instance.param); });

class AttentionKernel : public testing::TestWithParam<const char*> {};

// A NaN that vanished would train on quietly: where the reference gives one, so does the kernel.
TEST_P(AttentionKernel, NanStaysNan) {
  const Op& op = find_op(GetParam());
  for (const OpSample& each : op.samples()) {
    if (each.inputs[0].size() == 0 || each.inputs[1].size() == 0) continue;
    for (std::size_t input : {0, 1}) {
      OpSample sample = each;
      sample.inputs[input] = sample.inputs[input].clone();
      set_real(sample.inputs[input], sample.inputs[input].size() / 2,
               std::numeric_limits<double>::quiet_NaN());
      const Tensor expected = reference_of(op, sample)[0];
      for_each_vector_target([&] {
        SCOPED_TRACE(sample.name);
        Executor executor(sample_graph(op, sample, false), ExecutorOptions{.use_kernels = true});
        const Tensor result = run_once(executor, op, sample)[0];
        int vanished = 0;
        for (std::int64_t i = 0; i < result.size(); ++i)
          vanished += std::isnan(real_at(expected, i)) && !std::isnan(real_at(result, i));
        EXPECT_EQ(vanished, 0);
      });
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, AttentionKernel, testing::Values("attention", "dense_attention"),
                         [](const auto& instance) { return std::string(instance.param); });

// Numbers so large that float32 overflows on the way: what a kernel gives is right, or not finite.
class HugeInputs : public testing::TestWithParam<const char*> {};

TEST_P(HugeInputs, AnOverflowIsNotHidden) {
  const Op& op = find_op(GetParam());
  int huge = 0;
  for (const OpSample& each : op.samples()) {
    if (!each.inputs[0].empty() && each.inputs[0].dtype() != DType::f32) continue;
    for (const float scale : {1e10f, 1e18f, 3e19f, 1e25f, 1e30f, 1e37f}) {
      OpSample sample = each;
      // Of the others, gamma and beta of layer_norm and the like stay as they are.
      const bool many = op.name == "attention" || op.name == "dense_attention";
      const std::size_t scaled = many || op.name == "global_norm" ? 3 : 1;
      for (std::size_t i = 0; i < std::min(scaled, sample.inputs.size()); ++i) {
        if (sample.inputs[i].empty() || sample.inputs[i].dtype() != DType::f32) continue;
        sample.inputs[i] = sample.inputs[i].clone();
        for (float& value : sample.inputs[i].span<float>())
          value = std::clamp(value * scale, -3e38f, 3e38f);
      }
      const Tensor expected = reference_of(op, sample)[0];
      double largest = 0;
      for (const float value : expected.span<float>())
        if (std::isfinite(value)) largest = std::max(largest, std::abs(double{value}));
      for_each_vector_target([&] {
        SCOPED_TRACE(testing::Message() << sample.name << " times " << scale);
        Executor executor(sample_graph(op, sample, false), ExecutorOptions{.use_kernels = true});
        const Tensor result = run_once(executor, op, sample)[0];
        int hidden = 0;
        for (std::int64_t i = 0; i < result.size(); ++i) {
          const double value = result.as<float>()[i], wanted = expected.as<float>()[i];
          hidden += std::isfinite(value) && !(std::abs(value - wanted) <= 2e-3 * largest);
          ++huge;
        }
        EXPECT_EQ(hidden, 0);
      });
    }
  }
  EXPECT_GT(huge, 0);
}

INSTANTIATE_TEST_SUITE_P(Ops, HugeInputs,
                         testing::Values("layer_norm", "softmax", "gelu", "relu", "tanh",
                                         "attention", "dense_attention", "global_norm"),
                         [](const auto& instance) { return std::string(instance.param); });

// On x86-64 with AVX-512 both sets must really have run.
TEST(VectorTargets, AreForced) {
  std::vector<std::string> names;
  for_each_vector_target([&] { names.push_back(cpu_vector_target()); });
  EXPECT_FALSE(names.empty());
#ifdef __x86_64__
  EXPECT_NE(std::find(names.begin(), names.end(), "AVX2"), names.end());
  if (__builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
      __builtin_cpu_supports("avx512dq") != 0) {
    EXPECT_NE(std::find(names.begin(), names.end(), "AVX3"), names.end());
  }
#endif
}

}  // namespace
}  // namespace hone_test
