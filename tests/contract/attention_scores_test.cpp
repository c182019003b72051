// Attention whose scores are so large that their differences are all or nothing.
#include <gtest/gtest.h>

#include "contract/sample_run.hpp"
#include "support/vector_targets.hpp"

namespace hone_test {
namespace {

TEST(AttentionScores, TheLargestTakesAllHoweverLargeItIs) {
  for (const float size : {3e3f, 3e4f, 1e5f, 1e6f}) {
    Tensor q(DType::f32, {1, 1, 1, 32}), k(DType::f32, {1, 1, 2, 32}), v(DType::f32, {1, 1, 2, 32});
    for (int i = 0; i < 32; ++i) {
      q.as<float>()[i] = size * (1 + 0.01f * static_cast<float>(i));
      k.as<float>()[i] = size;
      k.as<float>()[32 + i] = size / 2;
      v.as<float>()[i] = 1;
      v.as<float>()[32 + i] = 2;
    }
    const Op& op = find_op("dense_attention");
    const OpSample sample{std::to_string(size), {q, k, v}, {}, {}, 1e-6};
    for_each_vector_target([&] {
      Executor executor(sample_graph(op, sample, false), ExecutorOptions{.use_kernels = true});
      const Tensor y = run_once(executor, op, sample)[0].clone();
      for (int i = 0; i < 32; ++i) EXPECT_EQ(y.as<float>()[i], 1) << sample.name;
    });
  }
}

}  // namespace
}  // namespace hone_test
