// Rows of planes and filters: told from what each number's index says, for every format.
#include "hone/numerics/tensor_rows.hpp"

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hone/core/error.hpp"
#include "hone/ops/detail/common.hpp"
#include "support/expect_error.hpp"

namespace hone_test {
namespace {

using namespace hone;

// Number [n, c, p] of x, p a place.
float& at(Tensor& x, std::int64_t n, std::int64_t c, std::int64_t p) {
  const std::int64_t channels = x.shape()[1];
  const std::int64_t places = x.size() / (x.shape()[0] * channels);
  return x.as<float>()[(n * channels + c) * places + p];
}

bool equal_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

TEST(TensorRows, OfPlanesAndFilters) {
  Tensor x = random_tensor({2, 3, 2, 2}, 1);
  const Tensor channels = to_rows(x, TensorRows::channels);
  EXPECT_EQ(channels.shape(), (Shape{8, 3}));
  const Tensor filters = to_rows(x, TensorRows::filters);
  EXPECT_EQ(filters.shape(), (Shape{2, 12}));
  for (std::int64_t n = 0; n < 2; ++n)
    for (std::int64_t c = 0; c < 3; ++c)
      for (std::int64_t p = 0; p < 4; ++p) {
        EXPECT_EQ(channels.as<float>()[(n * 4 + p) * 3 + c], at(x, n, c, p));
        EXPECT_EQ(filters.as<float>()[n * 12 + p * 3 + c], at(x, n, c, p));
      }
  EXPECT_TRUE(equal_bits(from_rows(channels, x.shape(), TensorRows::channels), x));
  EXPECT_TRUE(equal_bits(from_rows(filters, x.shape(), TensorRows::filters), x));
  EXPECT_EQ(to_rows(x, TensorRows::last).shape(), (Shape{12, 2}));
}

TEST(TensorRows, WithoutNumbers) {
  for (const Shape& shape : {Shape{0, 3, 2, 2}, Shape{2, 0, 3}, Shape{2, 3, 0}})
    for (const TensorRows rows : {TensorRows::last, TensorRows::channels, TensorRows::filters}) {
      const Tensor x(DType::f32, shape);
      EXPECT_EQ(from_rows(to_rows(x, rows), shape, rows).shape(), shape);
    }
}

TEST(TensorRows, Names) {
  for (const std::string& name : tensor_rows_names())
    EXPECT_EQ(name_of(parse_tensor_rows(name)), name);
  EXPECT_ERROR(parse_tensor_rows("chanels"), ErrorCode::invalid_argument,
               "no rows called 'chanels'", "channels");
}

// Of every format: a tensor by rows is the matrix of those rows, rounded and packed.
TEST(TensorRows, EveryFormatRoundsAndPacksTheMatrixOfRows) {
  Tensor x = random_tensor({5, 33, 3, 2}, 2);
  for (const Format& format : format_table())
    for (const TensorRows rows : {TensorRows::channels, TensorRows::filters}) {
      const auto plain = bind_format(format.name, "exact", {});
      const auto by_rows = by_tensor_rows(bind_format(format.name, "exact", {}), rows);
      const Tensor matrix = to_rows(x, rows);
      const Tensor wanted = from_rows(plain->quantize(matrix), x.shape(), rows);
      EXPECT_TRUE(equal_bits(by_rows->quantize(x), wanted)) << format.name;
      Tensor direct(DType::f32, x.shape());
      quantize_by_rows(*plain, rows, x.shape(), x.as<float>(), direct.as<float>(), nullptr);
      EXPECT_TRUE(equal_bits(direct, wanted)) << format.name;
      std::memcpy(direct.as<float>(), x.as<float>(), x.bytes());
      quantize_by_rows(*plain, rows, x.shape(), direct.as<float>(), direct.as<float>(), nullptr);
      EXPECT_TRUE(equal_bits(direct, wanted)) << format.name << " in place";
      const PackedTensor packed = by_rows->pack(x);
      EXPECT_EQ(packed.shape, x.shape());
      by_rows->check(packed);
      EXPECT_TRUE(equal_bits(by_rows->unpack(packed), wanted)) << format.name;
      EXPECT_DOUBLE_EQ(by_rows->bits_per_value(x.shape()), plain->bits_per_value(matrix.shape()))
          << format.name;
    }
}

// A format with a scale a row: a large filter takes nothing from a small one, a large place
// nothing from the places beside it.
TEST(TensorRows, RowsHaveScalesOfTheirOwn) {
  Tensor x(DType::f32, {2, 2, 1, 2});
  for (std::int64_t n = 0; n < 2; ++n)
    for (std::int64_t c = 0; c < 2; ++c)
      for (std::int64_t p = 0; p < 2; ++p) at(x, n, c, p) = (c == 0 ? 127.0f : 1.0f);
  at(x, 1, 0, 0) *= 1000;
  at(x, 1, 1, 0) *= 1000;
  const Options options{{"width", std::int64_t{8}}};
  const auto places = by_tensor_rows(bind_format("affine", "exact", options), TensorRows::channels);
  EXPECT_TRUE(equal_bits(places->quantize(x), x)) << "each place holds 127 and 1 of its own scale";
  const auto filters = by_tensor_rows(bind_format("affine", "exact", options), TensorRows::filters);
  Tensor rounded = filters->quantize(x);
  EXPECT_EQ(at(rounded, 0, 1, 1), 1.0f);
  EXPECT_EQ(at(rounded, 1, 1, 1), 0.0f) << "beside 127,000 of the same filter";
}

// Random numbers are drawn by the order of the rows, whatever part of the samples is rounded.
TEST(TensorRows, DrawsDoNotDependOnThePartition) {
  const Tensor x = random_tensor({4, 3, 2, 2}, 3, 0.5);
  const auto quantizer = bind_format("binary", "exact", {{"stochastic", true}});
  ASSERT_TRUE(quantizer->is_stochastic());
  RandomDraws draws{7, 1, 2, 0};
  Tensor whole(DType::f32, x.shape()), parts(DType::f32, x.shape());
  quantize_by_rows(*quantizer, TensorRows::channels, x.shape(), x.as<float>(), whole.as<float>(),
                   &draws);
  for (std::int64_t n = 0; n < 4; ++n) {
    draws.first = n * 12;
    quantize_by_rows(*quantizer, TensorRows::channels, {1, 3, 2, 2}, x.as<float>() + n * 12,
                     parts.as<float>() + n * 12, &draws);
  }
  EXPECT_TRUE(equal_bits(whole, parts));
}

}  // namespace
}  // namespace hone_test
