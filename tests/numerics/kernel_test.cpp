// Vector kernels equal the scalar definition of each grid, on any bits and for every set of vector
// instructions.
#include <gtest/gtest.h>

#include "hone/numerics/detail/grid_kernels.hpp"
#include "hone/numerics/detail/log2_steps.hpp"
#include "hone/numerics/detail/mase_kernels.hpp"
#include "numerics/samples.hpp"
#include "support/vector_targets.hpp"

namespace hone_test {
namespace {

// Any bits at all, numbers of ordinary size, and special ones.
std::vector<float> any_numbers(std::size_t n, std::uint32_t seed) {
  std::vector<float> x(n);
  RandomStream random(seed, 1);
  for (float& value : x) {
    const std::uint32_t kind = random.below(4);
    value = std::bit_cast<float>(random.next_u32());
    if (kind > 1) value = static_cast<float>(random.normal() * 8);
    if (kind == 1 && random.below(8) == 0) value = random.below(2) == 0 ? 0.0f : -0.0f;
  }
  x[n / 2] = std::numeric_limits<float>::quiet_NaN();
  x[n / 3] = std::numeric_limits<float>::infinity();
  x[n / 4] = -std::numeric_limits<float>::infinity();
  return x;
}

template <typename Grid>
void expect_values(const Grid& grid) {
  for (const std::size_t n : {4u, 37u, 1000u}) {
    const std::vector<float> x = any_numbers(n, static_cast<std::uint32_t>(n));
    std::vector<float> y(n);
    quantize_values(grid, x.data(), y.data(), static_cast<std::int64_t>(n), Stores::cached);
    for (std::size_t i = 0; i < n; ++i)
      ASSERT_TRUE(same_bits(y[i], grid.value(x[i]))) << x[i] << ": " << y[i];
    quantize_values(grid, x.data() + 1, y.data() + 1, static_cast<std::int64_t>(n - 1),
                    Stores::past_caches);
    finish_stream();
    for (std::size_t i = 1; i < n; ++i)
      ASSERT_TRUE(same_bits(y[i], grid.value(x[i]))) << x[i] << ": " << y[i];
  }
}

template <typename Grid>
void expect_blocks(const Grid& grid, const BlockScale& scale) {
  for (const BlockShape block : {BlockShape{1, 8}, BlockShape{1, 16}, BlockShape{1, 32},
                                 BlockShape{1, 64}, BlockShape{1, 5}, BlockShape{3, 16}})
    for (const std::int64_t columns : {64, 75, 128, 320}) {
      constexpr std::int64_t rows = 7;
      const std::vector<float> x = any_numbers(static_cast<std::size_t>(rows * columns), 3);
      std::vector<float> y(x.size());
      std::vector<std::int16_t> exponents(x.size());
      quantize_blocks(grid, scale, block, x.data(), y.data(), rows, columns, nullptr);
      std::vector<float> again(x.size());
      quantize_blocks(grid, scale, block, x.data(), again.data(), rows, columns, exponents.data());
      const std::int64_t across = (columns + block.columns - 1) / block.columns;
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < columns; ++c) {
          std::uint32_t largest = 0;
          const std::int64_t top = r / block.rows * block.rows;
          const std::int64_t left = c / block.columns * block.columns;
          for (std::int64_t i = top; i < std::min(rows, top + block.rows); ++i)
            for (std::int64_t j = left; j < std::min(columns, left + block.columns); ++j) {
              const float value = x[static_cast<std::size_t>(i * columns + j)];
              if (!std::isnan(value))
                largest = std::max(largest, std::bit_cast<std::uint32_t>(std::fabs(value)));
            }
          const int e = scale.exponent(largest);
          const auto i = static_cast<std::size_t>(r * columns + c);
          const float expected = grid.value(x[i] * power_of_two(-e)) * power_of_two(e);
          ASSERT_TRUE(same_bits(y[i], expected)) << x[i] << ": " << y[i] << " not " << expected;
          ASSERT_TRUE(same_bits(again[i], expected));
          ASSERT_EQ(
              exponents[static_cast<std::size_t>(r / block.rows * across + c / block.columns)], e);
        }
    }
}

TEST(Kernels, VectorsEqualTheScalarDefinition) {
  for_each_vector_target([] {
    for (const int fraction : {-3, 0, 4, 20})
      for (const Rounding rounding : {Rounding::nearest, Rounding::floor}) {
        expect_values(
            UniformGrid{power_of_two(fraction), power_of_two(-fraction), -128, 127, rounding});
        expect_values(
            UniformGrid{power_of_two(fraction), power_of_two(-fraction), 0, 255, rounding});
      }
    for (const int fraction : {0, 3, 10, 23}) expect_values(FloatGrid{fraction, -6, 448.0f});
    expect_values(FloatGrid{2, -126, 3e38f});
    for (const int top : {1, 7, 120}) expect_values(PowerGrid{-top, top});
  });
}

TEST(Kernels, BlocksEqualTheScalarDefinition) {
  for_each_vector_target([] {
    expect_blocks(UniformGrid{64, 1.0f / 64, -127, 127, Rounding::nearest},
                  BlockScale{0, -127, 127, 0});
    expect_blocks(UniformGrid{128, 1.0f / 128, -127, 127, Rounding::nearest},
                  BlockScale{1, -126, 127, half_step(6)});
    expect_blocks(FloatGrid{3, -6, 448.0f}, BlockScale{-8, -127, 127, 0});
    expect_blocks(FloatGrid{3, -14, 1.875f}, BlockScale{0, -20, 15, half_step(3)});
    expect_blocks(PowerGrid{-126, 0}, BlockScale{0, -126, 127, PowerGrid::carry});
  });
}

// Large results are stored past the caches; the same numbers.
TEST(Kernels, LargeTensorsAreTheSame) {
  for_each_vector_target([] {
    constexpr std::int64_t n = (std::int64_t{1} << 20) + 64;
    std::vector<float> x(n), y(n + 16);
    RandomStream random(1, 1);
    for (float& value : x) value = static_cast<float>(random.uniform() * 4 - 2);
    const FloatGrid grid{3, -6, 448.0f};
    const BlockScale scale{-8, -127, 127, 0};
    for (const std::int64_t shift : {0, 3}) {
      float* out = y.data() + shift;
      quantize_values(grid, x.data(), out, n,
                      shift == 0 ? Stores::past_caches : Stores::past_caches_in_turn);
      finish_stream();
      for (std::int64_t i = 0; i < n; ++i)
        ASSERT_EQ(out[i], grid.value(x[static_cast<std::size_t>(i)]));
      std::vector<float> small(n);
      for (std::int64_t i = 0; i < n; i += 32)
        quantize_blocks(grid, scale, {1, 32}, x.data() + i, small.data() + i, 1, 32, nullptr);
      quantize_blocks(grid, scale, {1, 32}, x.data(), out, 1, n, nullptr);
      for (std::int64_t i = 0; i < n; ++i) ASSERT_EQ(out[i], small[static_cast<std::size_t>(i)]);
    }
  });
}

// What the tables of logarithms replace, around every place where a result changes.
TEST(Kernels, LogarithmStepsAreThoseOfTheRoundedLogarithm) {
  for (int k = -126; k < 128; ++k)
    for (const float middle : {1.0f, 1.41421356f}) {
      const auto bits = std::bit_cast<std::uint32_t>(middle * power_of_two(k));
      for (int step = -60; step <= 60; ++step) {
        const float v = std::bit_cast<float>(bits + static_cast<std::uint32_t>(step));
        if (!(v > 0) || !std::isfinite(v)) continue;
        const auto l = static_cast<float>(std::log2(static_cast<double>(v)));
        ASSERT_EQ(floor_log2(v), static_cast<int>(std::floor(l))) << v;
        ASSERT_EQ(ceil_log2(v), static_cast<int>(std::ceil(l))) << v;
        ASSERT_EQ(nearest_log2(v), static_cast<int>(std::nearbyint(l))) << v;
      }
    }
}

template <typename Rule>
void expect_mase(const Rule& rule) {
  for (const std::size_t n : {4u, 37u, 3000u}) {
    std::vector<float> x = any_numbers(n, static_cast<std::uint32_t>(n) + 5);
    // Around powers of two, where a logarithm of float32 steps early or late; and tiny ones.
    RandomStream random(7, static_cast<std::uint32_t>(n));
    for (std::size_t i = 0; i < n; i += 3)
      x[i] = std::bit_cast<float>(((random.below(60) + 95) << 23) + random.below(65) - 32);
    for (std::size_t i = 1; i < n; i += 17) x[i] = 2e-8f * static_cast<float>(random.normal());
    std::vector<float> y(n);
    mase::round_values(rule, x.data(), y.data(), static_cast<std::int64_t>(n));
    for (std::size_t i = 0; i < n; ++i)
      ASSERT_TRUE(same_bits(y[i], rule.value(x[i])))
          << x[i] << ": " << y[i] << ", not " << rule.value(x[i]);
  }
}

TEST(Kernels, MaseOnVectorsEqualsMaseByNumber) {
  for_each_vector_target([] {
    for (const int width : {2, 4, 8, 16, 32}) {
      for (const int fraction : {-20, 0, 3, 12})
        for (const bool floor : {false, true})
          expect_mase(mase::Integer(width, fraction, width != 4, floor));
      for (const int bias : {-3, 0, 7, 63, 127, 131, 200, 256}) {
        expect_mase(mase::BlockFloat{power_of_two(bias - 100), 128, 127, 0.0f});
        if (width > 4 && width < 32) {
          expect_mase(mase::MinifloatIeee(width, 4, bias));
          expect_mase(mase::MinifloatDenorm(width, 4, bias));
        }
        expect_mase(mase::Log(width, bias));
      }
    }
  });
}

}  // namespace
}  // namespace hone_test
