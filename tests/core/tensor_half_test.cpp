#include <cmath>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "hone/core/error.hpp"
#include "hone/core/tensor.hpp"

namespace hone {
namespace {

// Whatever instructions convert a tensor, the values are those of the scalar definition.
TEST(Tensor, EveryHalfConvertsAsTheScalarDoes) {
  std::vector<std::uint16_t> bits(65536 + 3);  // and an odd rest
  std::iota(bits.begin(), bits.end(), std::uint16_t{0});
  const Tensor values =
      Tensor::from<std::uint16_t>(DType::f16, {static_cast<std::int64_t>(bits.size())}, bits)
          .to_f32();
  for (std::size_t i = 0; i < bits.size(); ++i) {
    const float expected = f16_to_f32(bits[i]);
    if (std::isnan(expected))
      ASSERT_TRUE(std::isnan(values.as<float>()[i])) << i;
    else
      ASSERT_EQ(values.as<float>()[i], expected) << i;
  }
}

TEST(Tensor, ShapesWhoseBytesOverflowAreRefused) {
  EXPECT_THROW(element_count({std::int64_t{1} << 62}), Error);
  EXPECT_THROW(element_count({std::int64_t{1} << 32, std::int64_t{1} << 32}), Error);
  EXPECT_THROW(element_count({2, -1}), Error);
  EXPECT_EQ(element_count({0, std::int64_t{1} << 62}), 0);
}

}  // namespace
}  // namespace hone
