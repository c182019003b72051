// Numbers as bytes times scales: the codes give exactly what quantize gives.
#include <gtest/gtest.h>

#include "numerics/samples.hpp"
#include "support/expect_error.hpp"
#include "support/vector_targets.hpp"

namespace hone_test {
namespace {

struct Int8Rows {
  std::vector<std::int8_t> codes;
  std::vector<float> scales;
  std::vector<std::int32_t> zeros;
};

constexpr std::int64_t gap = 3;

Int8Rows make_rows(const Int8Layout& layout, std::int64_t rows, std::int64_t columns) {
  const std::int64_t block = layout.block == 0 ? columns : layout.block;
  const std::int64_t blocks = columns == 0 ? 0 : (columns + block - 1) / block;
  Int8Rows out;
  out.codes.assign(static_cast<std::size_t>(rows * (columns + gap)), 99);
  out.scales.assign(static_cast<std::size_t>(rows * blocks), -1);
  out.zeros.assign(static_cast<std::size_t>(rows), -1);
  return out;
}

void expect_values(const Int8Layout& layout, const Int8Rows& got, const Tensor& y,
                   std::int64_t rows, std::int64_t columns) {
  const std::int64_t block = layout.block == 0 ? columns : layout.block;
  const std::int64_t blocks = (columns + block - 1) / block;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      const std::int8_t code = got.codes[static_cast<std::size_t>(r * (columns + gap) + c)];
      const std::int32_t k = layout.has_zero ? static_cast<std::uint8_t>(code) : code;
      const float scale = layout.fixed
                              ? layout.scale
                              : got.scales[static_cast<std::size_t>(r * blocks + c / block)];
      const std::int32_t zero = layout.fixed      ? layout.zero
                                : layout.has_zero ? got.zeros[static_cast<std::size_t>(r)]
                                                  : 0;
      const float value = scale * static_cast<float>(k - zero);
      ASSERT_TRUE(same_bits(value, y.as<float>()[r * columns + c]))
          << "row " << r << " column " << c << ": " << value << " for "
          << y.as<float>()[r * columns + c];
      if (layout.fixed) {
        ASSERT_EQ(got.scales[static_cast<std::size_t>(r)], layout.scale);
        ASSERT_EQ(got.zeros[static_cast<std::size_t>(r)], layout.zero);
      }
    }
    // Nothing is written between the rows.
    for (std::int64_t c = columns; c < columns + gap; ++c)
      ASSERT_EQ(got.codes[static_cast<std::size_t>(r * (columns + gap) + c)], 99);
  }
}

TEST(Int8, CodesTimesScalesAreTheQuantizedNumbers) {
  std::size_t with_layout = 0;
  for_each_vector_target([&] {
    for (const FormatCase& sample : format_cases()) {
      SCOPED_TRACE(sample.text());
      const auto quantizer = sample.bind();
      for (const Shape& shape : {Shape{3, 100}, Shape{2, 5}, Shape{1, 1}, Shape{4, 33}}) {
        const auto layout = quantizer->int8_layout(shape[1]);
        if (!layout) continue;
        ++with_layout;
        const Tensor x = hard_numbers(shape, 5);
        const Tensor y = quantizer->quantize(x);
        Int8Rows got = make_rows(*layout, shape[0], shape[1]);
        quantizer->encode_int8(x.as<float>(), shape[0], shape[1], got.codes.data(), shape[1] + gap,
                               got.scales.data(), got.zeros.data());
        expect_values(*layout, got, y, shape[0], shape[1]);
        if (testing::Test::HasFatalFailure()) return;

        const PackedTensor packed = quantizer->pack(x);
        Int8Rows unpacked = make_rows(*layout, shape[0], shape[1]);
        quantizer->unpack_int8(packed, 0, shape[0], unpacked.codes.data(), shape[1] + gap,
                               unpacked.scales.data(), unpacked.zeros.data());
        EXPECT_EQ(unpacked.codes, got.codes);
        EXPECT_EQ(unpacked.scales, got.scales);
        EXPECT_EQ(unpacked.zeros, got.zeros);
        // One row of it.
        Int8Rows last = make_rows(*layout, 1, shape[1]);
        quantizer->unpack_int8(packed, shape[0] - 1, 1, last.codes.data(), shape[1] + gap,
                               last.scales.data(), last.zeros.data());
        const auto tail = static_cast<std::ptrdiff_t>((shape[0] - 1) * (shape[1] + gap));
        EXPECT_TRUE(std::equal(last.codes.begin(), last.codes.end(), got.codes.begin() + tail));
      }
    }
  });
  EXPECT_GT(with_layout, 100u);
}

// Ties go to even numbers, not to even codes.
TEST(Int8, TiesWithAnOddZeroPoint) {
  for_each_vector_target([] {
    for (const char* point : {"20", "21"}) {
      const FormatCase sample{"affine",
                              "width=6 symmetric=false scale=0.5 zero_point=" + std::string(point)};
      const auto quantizer = sample.bind();
      std::vector<float> x;
      for (int k = -19; k < 40; ++k) x.push_back(0.25f + 0.5f * static_cast<float>(k));
      const auto n = static_cast<std::int64_t>(x.size());
      std::vector<float> y(x.size());
      quantizer->quantize(x.data(), y.data(), 1, n);
      std::vector<std::int8_t> codes(x.size());
      quantizer->encode_int8(x.data(), 1, n, codes.data(), n, nullptr, nullptr);
      for (std::size_t i = 0; i < x.size(); ++i)
        EXPECT_EQ(0.5f * static_cast<float>(static_cast<std::uint8_t>(codes[i]) - std::stoi(point)),
                  y[i])
            << x[i];
    }
  });
}

TEST(Int8, OnlyNumbersThatFitAByteHaveALayout) {
  const auto has = [](const char* format, const char* options, std::int64_t columns = 64) {
    return FormatCase{format, options}.bind()->int8_layout(columns).has_value();
  };
  EXPECT_TRUE(has("integer", "width=8"));
  EXPECT_FALSE(has("integer", "width=9"));
  EXPECT_TRUE(has("integer", "width=8 is_signed=false"));
  EXPECT_FALSE(has("block_fp", "width=8 block_size=4,4"));
  EXPECT_FALSE(has("mxint", "width=9"));
  EXPECT_FALSE(has("mxfp", ""));
  EXPECT_TRUE(has("affine", "granularity=group group_size=16"));
  // A row has one zero point.
  EXPECT_FALSE(has("affine", "granularity=group group_size=16 symmetric=false"));
  EXPECT_TRUE(has("affine", "granularity=group group_size=64 symmetric=false"));
  EXPECT_EQ(FormatCase({"mxint", "block_size=32"}).bind()->int8_layout(100)->block, 32);
  EXPECT_EQ(FormatCase({"mxint", "block_size=32"}).bind()->int8_layout(32)->block, 0);
}

TEST(Int8, NanGetsTheCodeZero) {
  Tensor x(DType::f32, {1, 70});
  for (std::int64_t i = 0; i < x.size(); ++i) x.as<float>()[i] = static_cast<float>(i) / 8;
  x.as<float>()[3] = x.as<float>()[69] = std::numeric_limits<float>::quiet_NaN();
  for (const FormatCase& sample : {FormatCase{"integer", ""}, FormatCase{"mxint", ""},
                                   FormatCase{"affine", ""}, FormatCase{"block_fp", ""}}) {
    SCOPED_TRACE(sample.text());
    const auto quantizer = sample.bind();
    Int8Rows got = make_rows(*quantizer->int8_layout(70), 1, 70);
    quantizer->encode_int8(x.as<float>(), 1, 70, got.codes.data(), 70, got.scales.data(),
                           got.zeros.data());
    EXPECT_EQ(got.codes[3], 0);
    EXPECT_EQ(got.codes[69], 0);
    EXPECT_NE(got.codes[68], 0);
  }
}

}  // namespace
}  // namespace hone_test
