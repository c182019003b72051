#include "hone/backend/cpu/detail/gemm.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "hone/core/philox.hpp"
#include "support/vector_targets.hpp"

namespace hone_test {
namespace {

using namespace hone;

std::vector<float> random_values(std::int64_t count, std::uint64_t seed) {
  std::vector<float> values(static_cast<std::size_t>(count));
  RandomStream random(seed, 1);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

using Product = void (*)(const GemmShape&, const float*, const float*, float*);

// Every element by a plain loop in double; what lies between the rows of c must not be touched.
void check_product(Product product, const GemmShape& s) {
  SCOPED_TRACE(testing::Message() << s.m << " x " << s.n << " x " << s.k
                                  << (s.transposed_a ? ", transposed" : "")
                                  << (s.accumulate ? ", accumulate" : ""));
  const std::vector<float> a = random_values((s.transposed_a ? s.k : s.m) * s.lda, 1);
  const std::vector<float> b = random_values(s.k * s.ldb, 2);
  const std::vector<float> before = random_values(s.m * s.ldc, 3);
  std::vector<float> c = before;
  product(s, a.data(), b.data(), c.data());
  for (std::int64_t i = 0; i < s.m; ++i) {
    for (std::int64_t j = 0; j < s.ldc; ++j) {
      const auto at = static_cast<std::size_t>(i * s.ldc + j);
      if (j >= s.n) {
        ASSERT_EQ(c[at], before[at]) << "wrote past row " << i;
        continue;
      }
      double sum = s.accumulate ? static_cast<double>(before[at]) : 0.0;
      double size = std::abs(sum);
      for (std::int64_t p = 0; p < s.k; ++p) {
        const double left =
            a[static_cast<std::size_t>(s.transposed_a ? p * s.lda + i : i * s.lda + p)];
        const double term = left * b[static_cast<std::size_t>(p * s.ldb + j)];
        sum += term;
        size += std::abs(term);
      }
      // Rounding of k additions: at most about k eps times the sum of sizes; far less in practice.
      ASSERT_NEAR(c[at], sum, 1e-6 * (1 + size)) << "row " << i << ", column " << j;
    }
  }
}

void check_sizes(Product product) {
  for (std::int64_t m : {1, 2, 5, 6, 7, 13, 64})
    for (std::int64_t n : {1, 3, 8, 15, 16, 17, 33, 64, 100})
      for (std::int64_t k : {1, 2, 7, 16, 65})
        for (int flags = 0; flags < 4; ++flags) {
          const bool transposed = (flags & 1) != 0;
          const std::int64_t extra = (m + n + k) % 3;
          check_product(product, {m, n, k, (transposed ? m : k) + extra, n + extra, n + extra,
                                  transposed, (flags & 2) != 0});
          if (testing::Test::HasFatalFailure()) return;
        }
}

TEST(Gemm, PortableEqualsAPlainLoop) {
  for_each_vector_target([] { check_sizes(gemm_portable); });
}

TEST(Gemm, ChosenEqualsAPlainLoop) { check_sizes(gemm); }

TEST(Gemm, EmptySums) {
  for (const Product product : {gemm, gemm_portable}) {
    check_product(product, {3, 5, 0, 1, 5, 5, false, false});
    check_product(product, {3, 5, 0, 1, 5, 5, false, true});
    check_product(product, {0, 5, 4, 4, 5, 5, false, false});
    check_product(product, {3, 0, 4, 4, 1, 1, false, false});
  }
}

TEST(Gemm, TransposesAnySize) {
  for (std::int64_t rows : {1, 15, 16, 17, 50})
    for (std::int64_t columns : {1, 16, 31}) {
      const std::vector<float> from = random_values(rows * (columns + 2), 4);
      std::vector<float> to(static_cast<std::size_t>(columns * (rows + 1)), -7.0f);
      transpose_into(from.data(), rows, columns, columns + 2, to.data(), rows + 1, 0.5f);
      for (std::int64_t c = 0; c < columns; ++c) {
        for (std::int64_t r = 0; r < rows; ++r)
          ASSERT_EQ(to[static_cast<std::size_t>(c * (rows + 1) + r)],
                    0.5f * from[static_cast<std::size_t>(r * (columns + 2) + c)]);
        ASSERT_EQ(to[static_cast<std::size_t>(c * (rows + 1) + rows)], -7.0f);
      }
    }
}

}  // namespace
}  // namespace hone_test
