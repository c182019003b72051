// Rule mase at widths beyond those of its published vectors (scripts/make_mase_vectors.py), and
// what rule exact keeps of such widths.
#include <gtest/gtest.h>

#include "hone/frontends/safetensors.hpp"
#include "numerics/samples.hpp"
#include "support/expect_error.hpp"
#include "support/vector_targets.hpp"

namespace hone_test {
namespace {

TEST(MaseWidths, GiveTheBitsOfTheFormulas) {
  const TensorStore vectors = read_safetensors(
      std::filesystem::path(HONE_SOURCE_DIR "/tests/numerics/fixtures/mase_widths.safetensors"));
  const Tensor& x = vectors.at("x");
  int compared = 0;
  for_each_vector_target([&] {
    for (const std::string& name : vectors.names()) {
      if (name == "x") continue;
      SCOPED_TRACE(name);
      const std::size_t space = name.find(' ');
      const auto quantizer = FormatCase{name.substr(0, space), name.substr(space + 1)}.bind("mase");
      const Tensor y = quantizer->quantize(x);
      const Tensor& expected = vectors.at(name);
      for (std::int64_t i = 0; i < x.size(); ++i)
        ASSERT_TRUE(same_bits(y.as<float>()[i], expected.as<float>()[i]))
            << "element " << i << ", " << x.as<float>()[i] << ": " << y.as<float>()[i]
            << ", expected " << expected.as<float>()[i];
      ++compared;
    }
  });
  EXPECT_GE(compared, 60);
}

// What a wide exponent can say beyond float32 is never said: the numbers are all of float32's
// powers, or come as near to it as mantissas do.
TEST(WideFormats, RoundToWhatFloat32Has) {
  const Tensor x = hard_numbers({40, 33}, 9);
  for (const char* width : {"9", "10", "16", "17", "24", "32"}) {
    const auto log = FormatCase{"log", "width=" + std::string(width)}.bind();
    const Tensor y = log->quantize(x);
    const Tensor nine = FormatCase{"log", "width=9"}.bind()->quantize(x);
    for (std::int64_t i = 0; i < x.size(); ++i)
      ASSERT_EQ(y.as<float>()[i], nine.as<float>()[i]) << width << ": " << x.as<float>()[i];
  }
  // With all of float32's digits nothing is rounded.
  for (const char* options :
       {"width=25 block_size=1", "width=28 block_size=1", "width=32 block_size=1"}) {
    const Tensor y = FormatCase{"block_fp", options}.bind()->quantize(x);
    for (std::int64_t i = 0; i < x.size(); ++i)
      ASSERT_EQ(y.as<float>()[i], x.as<float>()[i]) << options;
  }
  for (const char* options : {"width=26 block_size=1", "width=32 block_size=1"}) {
    const Tensor y = FormatCase{"mxint", options}.bind()->quantize(x);
    for (std::int64_t i = 0; i < x.size(); ++i)
      ASSERT_EQ(y.as<float>()[i], x.as<float>()[i]) << options;
  }
  // Of 2^(width - 1) - 1 steps from zero to the largest number of a row.
  for (const int width : {12, 16, 24}) {
    const auto affine = FormatCase{"affine", "width=" + std::to_string(width)}.bind();
    const Tensor y = affine->quantize(x);
    for (std::int64_t r = 0; r < 40; ++r) {
      double most = 0;
      for (std::int64_t c = 0; c < 33; ++c)
        most = std::max(most, std::fabs(static_cast<double>(x.as<float>()[r * 33 + c])));
      const double step = most / (std::ldexp(1.0, width - 1) - 1);
      for (std::int64_t c = 0; c < 33; ++c) {
        const double from = x.as<float>()[r * 33 + c], to = y.as<float>()[r * 33 + c];
        ASSERT_LE(std::fabs(to - from), 0.5 * step + 3e-7 * most) << width;
      }
    }
  }
}

TEST(WideFormats, OnlyRuleMaseGoesBeyondWhatRuleExactHas) {
  const std::vector<FormatCase> beyond{{"integer", "width=33"},
                                       {"affine", "width=25"},
                                       {"minifloat_ieee", "width=16 exponent_width=9"},
                                       {"minifloat_denorm", "width=16 exponent_width=9"},
                                       {"block_fp", "width=16 exponent_width=9"},
                                       {"block_minifloat", "width=16 exponent_width=8"}};
  for (const FormatCase& sample : beyond) {
    EXPECT_ERROR(sample.bind(), ErrorCode::invalid_argument, "the most under rule exact",
                 "rule mase");
    EXPECT_NO_THROW(sample.bind("mase")) << sample.text();
  }
  EXPECT_ERROR((FormatCase{"log", "width=33"}.bind()), ErrorCode::invalid_argument, "width");
  EXPECT_ERROR((FormatCase{"integer", "width=65"}.bind("mase")), ErrorCode::invalid_argument,
               "width");
}

}  // namespace
}  // namespace hone_test
