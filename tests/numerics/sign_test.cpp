// Formats of one and two bits, against plain loops; random signs.
#include <gtest/gtest.h>

#include "hone/numerics/detail/sign_kernels.hpp"
#include "numerics/samples.hpp"
#include "support/vector_targets.hpp"

namespace hone_test {
namespace {

double sum_in_order(const float* x, std::int64_t n, float border) {
  double sums[32] = {};
  for (std::int64_t i = 0; i < n; ++i)
    if (border < 0 || std::fabs(x[i]) > border)
      sums[i % 32] += std::fabs(static_cast<double>(x[i]));
  for (int width = 16; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) sums[i] += sums[i + width];
  return sums[0];
}

TEST(Signs, ScaledSignsAndTernary) {
  for_each_vector_target([] {
    for (const std::int64_t n : {1, 5, 16, 31, 64, 1000}) {
      const Tensor x = hard_numbers({1, n}, 9);
      const float* in = x.as<float>();
      const auto mean = static_cast<float>(sum_in_order(in, n, -1) / static_cast<double>(n));
      const Tensor scaled = FormatCase{"binary_scaling", ""}.bind()->quantize(x);
      const double average = sum_in_order(in, n, -1) / static_cast<double>(n);
      const auto border = static_cast<float>(0.75 * average);
      std::int64_t above = 0;
      for (std::int64_t i = 0; i < n; ++i) above += std::fabs(in[i]) > border;
      const float third =
          above == 0 ? 0.0f
                     : static_cast<float>(sum_in_order(in, n, border) / static_cast<double>(above));
      const Tensor thirds = FormatCase{"ternary", ""}.bind()->quantize(x);
      const Tensor signs = FormatCase{"binary", ""}.bind()->quantize(x);
      const Tensor bits = FormatCase{"binary", "bipolar=false"}.bind()->quantize(x);
      for (std::int64_t i = 0; i < n; ++i) {
        // Means are summed in another order: within a rounding or two of float32.
        ASSERT_NEAR(scaled.as<float>()[i], in[i] >= 0 ? mean : -mean, 3e-7 * mean);
        ASSERT_EQ(std::signbit(scaled.as<float>()[i]), in[i] < 0);
        const float expected = std::fabs(in[i]) > border ? std::copysign(third, in[i]) : 0.0f;
        ASSERT_NEAR(thirds.as<float>()[i], expected, 3e-7 * third) << i;
        ASSERT_EQ(signs.as<float>()[i], in[i] >= 0 ? 1.0f : -1.0f);
        ASSERT_EQ(bits.as<float>()[i], in[i] > 0 ? 1.0f : 0.0f);
      }
    }
  });
}

// Sums of numbers whose sum is beyond float32.
TEST(Signs, MeansOfHugeNumbers) {
  for_each_vector_target([] {
    Tensor x(DType::f32, {1, 600});
    for (std::int64_t i = 0; i < 600; ++i) x.as<float>()[i] = i % 2 == 0 ? 3e38f : -2e38f;
    const Tensor scaled = FormatCase{"binary_scaling", ""}.bind()->quantize(x);
    EXPECT_FLOAT_EQ(scaled.as<float>()[0], 2.5e38f);
    EXPECT_FLOAT_EQ(scaled.as<float>()[599], -2.5e38f);
    const Tensor thirds = FormatCase{"ternary", "threshold=1"}.bind()->quantize(x);
    EXPECT_FLOAT_EQ(thirds.as<float>()[0], 3e38f);
    EXPECT_EQ(thirds.as<float>()[1], 0.0f);
  });
}

TEST(Signs, ResidualLevelsLeaveLessAndLess) {
  const Tensor x = hard_numbers({1, 500}, 4);
  double before = std::numeric_limits<double>::infinity();
  for (int levels = 1; levels <= 4; ++levels) {
    const Tensor y =
        FormatCase{"binary_residual_sign", "levels=" + std::to_string(levels)}.bind()->quantize(x);
    double error = 0;
    for (std::int64_t i = 0; i < x.size(); ++i)
      error += std::pow(static_cast<double>(x.as<float>()[i]) - y.as<float>()[i], 2);
    EXPECT_LT(error, before);
    before = error;
  }
}

TEST(Signs, DrawsDependOnTheElementAlone) {
  const auto quantizer = FormatCase{"binary", "stochastic=true"}.bind();
  ASSERT_TRUE(quantizer->is_stochastic());
  Tensor x(DType::f32, {10, 37});
  RandomStream random(3, 1);
  for (float& value : x.span<float>()) value = static_cast<float>(random.normal());
  const RandomDraws draws{0x123456789abcdefull, 17, 5, 0};
  std::vector<float> expected;
  for (std::int64_t i = 0; i < x.size(); ++i)
    expected.push_back(uniform_draw(draws, i) < (x.as<float>()[i] + 1.0f) * 0.5f ? 1.0f : -1.0f);
  for_each_vector_target([&] {
    std::vector<float> y(expected.size());
    quantizer->quantize(x.as<float>(), y.data(), 10, 37, draws);
    EXPECT_EQ(y, expected);
    // In pieces.
    for (std::int64_t r = 0; r < 10; ++r) {
      RandomDraws later = draws;
      later.first = r * 37;
      quantizer->quantize(x.as<float>() + r * 37, y.data() + r * 37, 1, 37, later);
    }
    EXPECT_EQ(y, expected);
  });
  // Without draws: to the nearest.
  const Tensor nearest = quantizer->quantize(x);
  for (std::int64_t i = 0; i < x.size(); ++i)
    EXPECT_EQ(nearest.as<float>()[i], x.as<float>()[i] >= 0 ? 1.0f : -1.0f);
}

TEST(Signs, RandomSignsHaveTheMeanOfTheNumbers) {
  const auto quantizer = FormatCase{"binary", "stochastic=true"}.bind();
  constexpr std::int64_t n = 1 << 16;
  for (const float value : {-2.0f, -1.0f, -0.5f, 0.0f, 0.25f, 1.0f, 3.0f}) {
    std::vector<float> x(n, value), y(n);
    quantizer->quantize(x.data(), y.data(), 1, n, {99, 1, 2, 0});
    double sum = 0;
    for (const float sign : y) sum += sign;
    EXPECT_NEAR(sum / n, std::clamp(value, -1.0f, 1.0f), 0.02) << value;
  }
}

TEST(Signs, GradientIsCutOutsideOne) {
  const auto quantizer = FormatCase{"binary", ""}.bind();
  const float x[5] = {-1.5f, -1.0f, 0.0f, 1.0f, 1.25f};
  const float dy[5] = {1, 2, 3, 4, 5};
  float dx[5];
  quantizer->gradient(x, dy, dx, 1, 5);
  EXPECT_EQ(std::vector<float>(dx, dx + 5), (std::vector<float>{0, 2, 3, 4, 0}));
}

}  // namespace
}  // namespace hone_test
