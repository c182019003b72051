// The error of one tensor against another.
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "hone/numerics/format.hpp"
#include "hone/recipes/compare_models.hpp"

namespace hone {
namespace {

TensorError error_of(const std::vector<float>& reference, const std::vector<float>& other) {
  TensorError error;
  error.add(reference.data(), other.data(), static_cast<std::int64_t>(reference.size()));
  return error;
}

TEST(TensorError, ByHand) {
  const TensorError error = error_of({1, 2, 3}, {1, 2, 2.5});
  EXPECT_NEAR(error.sqnr(), 10 * std::log10(14 / 0.25), 1e-12);
  EXPECT_NEAR(error.cosine(), 12.5 / std::sqrt(14 * 11.25), 1e-12);
  EXPECT_EQ(error.largest(), 0.5);
  EXPECT_FALSE(error.is_exact());
}

TEST(TensorError, NoErrorIsExactAndSumsAddUp) {
  const TensorError exact = error_of({1, -2}, {1, -2});
  EXPECT_TRUE(exact.is_exact());
  EXPECT_TRUE(std::isinf(exact.sqnr()));
  EXPECT_EQ(exact.cosine(), 1);
  EXPECT_TRUE(to_json(exact).at("sqnr").is_null());
  TensorError sum = error_of({1, 2}, {1, 2});
  sum.add(error_of({3}, {2.5}));
  EXPECT_EQ(sum.sqnr(), error_of({1, 2, 3}, {1, 2, 2.5}).sqnr());
}

TEST(TensorError, NaNStaysInSight) {
  const TensorError error = error_of({1, 2, 3}, {NAN, 2, 3});
  EXPECT_TRUE(std::isnan(error.largest()));
  EXPECT_TRUE(to_json(error).at("max").is_null());
  EXPECT_FALSE(error.is_exact());
}

// Full-scale uniform numbers: a signal of 1/3 against a step^2 / 12, so 6.02 dB a bit.
TEST(TensorError, EachBitIsSixDecibels) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> numbers(200000), rounded(numbers.size());
  for (float& number : numbers) number = uniform(random);
  for (const std::int64_t width : {4, 8, 12}) {
    const auto quantizer =
        bind_format("integer", "exact", {{"width", width}, {"frac_width", width - 1}});
    quantizer->quantize(numbers.data(), rounded.data(), 1,
                        static_cast<std::int64_t>(numbers.size()));
    // The largest number is a step below one: four bits feel it.
    EXPECT_NEAR(error_of(numbers, rounded).sqnr(), 20 * std::log10(2.0) * width,
                width == 4 ? 0.8 : 0.1);
  }
}

}  // namespace
}  // namespace hone
