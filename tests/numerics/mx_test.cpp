// MX formats against vectors from exact fractions and ml_dtypes (scripts/make_mx_vectors.py).
#include <gtest/gtest.h>

#include "hone/frontends/safetensors.hpp"
#include "hone/numerics/detail/bit_stream.hpp"
#include "numerics/samples.hpp"
#include "support/vector_targets.hpp"

namespace hone_test {
namespace {

struct MxElement {
  const char* name;
  const char* options;
  float top;  // the power of two that keeps a block at scale 1
};

const std::vector<MxElement> elements{{"e4m3", "exponent_width=4 frac_width=3", 256},
                                      {"e5m2", "exponent_width=5 frac_width=2", 32768},
                                      {"e3m2", "exponent_width=3 frac_width=2", 16},
                                      {"e2m3", "exponent_width=2 frac_width=3", 4},
                                      {"e2m1", "exponent_width=2 frac_width=1", 4}};

const TensorStore& vectors() {
  static const TensorStore stored = read_safetensors(
      std::filesystem::path(HONE_SOURCE_DIR "/tests/numerics/fixtures/mx.safetensors"));
  return stored;
}

// Blocks of two: the number, and one that holds the scale.
TEST(Mx, ElementsRoundAndPackAsMlDtypesDoes) {
  for_each_vector_target([] {
    for (const MxElement& element : elements) {
      SCOPED_TRACE(element.name);
      const std::string name = element.name;
      const Tensor& x = vectors().at(name + ".x");
      const Tensor& y = vectors().at(name + ".y");
      const Tensor& codes = vectors().at(name + ".codes");
      Tensor pairs(DType::f32, {x.size(), 2});
      for (std::int64_t i = 0; i < x.size(); ++i) {
        pairs.as<float>()[2 * i] = x.as<float>()[i];
        pairs.as<float>()[2 * i + 1] = element.top;
      }
      const auto quantizer =
          FormatCase{"mxfp", std::string(element.options) + " block_size=2"}.bind();
      const Tensor got = quantizer->quantize(pairs);
      const PackedTensor packed = quantizer->pack(pairs);
      BitReader reader(packed.codes.as<std::byte>(), packed.code_bits);
      for (std::int64_t i = 0; i < x.size(); ++i) {
        ASSERT_TRUE(same_bits(got.as<float>()[2 * i], y.as<float>()[i]))
            << x.as<float>()[i] << " gives " << got.as<float>()[2 * i] << ", expected "
            << y.as<float>()[i];
        ASSERT_EQ(got.as<float>()[2 * i + 1], element.top);
        ASSERT_EQ(reader.get(), codes.as<std::uint8_t>()[i]) << x.as<float>()[i];
        reader.get();
        ASSERT_EQ(packed.scales.as<std::uint8_t>()[i], 127);
      }
    }
  });
}

void expect_blocks(const Quantizer& quantizer, const std::string& name, bool zeros_have_signs) {
  const Tensor& x = vectors().at("blocks.x");
  const Tensor& y = vectors().at("blocks." + name + ".y");
  const Tensor& scales = vectors().at("blocks." + name + ".scales");
  const Tensor got = quantizer.quantize(x);
  const PackedTensor packed = quantizer.pack(x);
  for (std::int64_t b = 0; b < scales.size(); ++b)
    ASSERT_EQ(packed.scales.as<std::uint8_t>()[b], scales.as<std::uint8_t>()[b]) << "block " << b;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const float expected = zeros_have_signs ? y.as<float>()[i] : y.as<float>()[i] + 0.0f;
    ASSERT_TRUE(same_bits(got.as<float>()[i], expected))
        << "block " << i / 32 << ": " << x.as<float>()[i] << " gives " << got.as<float>()[i]
        << ", expected " << expected;
  }
}

TEST(Mx, BlocksAreConvertedAsTheSpecificationSays) {
  for_each_vector_target([] {
    for (const MxElement& element : elements) {
      SCOPED_TRACE(element.name);
      expect_blocks(*FormatCase{"mxfp", element.options}.bind(), element.name, true);
    }
    SCOPED_TRACE("int8");
    // Integers have no negative zero.
    expect_blocks(*FormatCase{"mxint", ""}.bind(), "int8", false);
  });
}

}  // namespace
}  // namespace hone_test
