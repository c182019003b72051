// Options from a range of numbers: as fine as can be with both ends inside.
#include <gtest/gtest.h>

#include "numerics/samples.hpp"

namespace hone_test {
namespace {

float quantized(const Quantizer& quantizer, float x) {
  float y = 0;
  quantizer.quantize(&x, &y, 1, 1);
  return y;
}

Options fitted(const FormatCase& sample, float low, float high) {
  const Format& format = find_format(sample.format);
  return format.fit_range(parse_format_options(format, sample.options), low, high);
}

struct Range {
  float low, high;
};
const std::vector<Range> ranges{{-1, 1},        {-0.3f, 2.7f}, {-1e-4f, 3e-5f}, {-700, 12},
                                {0, 0.5f},      {-8, 0},       {-1000, 1000},   {-3.9e-9f, 1e-9f},
                                {-2.5f, 2.49f}, {0, 127}};

TEST(FitRange, IntegerHasTheFinestStepThatReaches) {
  for (const char* options : {"width=8", "width=4", "width=16", "width=2"})
    for (const Range& range : ranges) {
      SCOPED_TRACE(std::string(options) + " " + std::to_string(range.low) + " " +
                   std::to_string(range.high));
      const Options chosen = fitted({"integer", options}, range.low, range.high);
      const auto reaches = [&](std::int64_t fraction) {
        Options moved = chosen;
        moved.set("frac_width", fraction);
        const auto quantizer = bind_format("integer", "exact", moved);
        const float top = quantized(*quantizer, 1e30f);
        const float bottom = quantized(*quantizer, -1e30f);
        return top >= range.high && bottom <= range.low;
      };
      EXPECT_TRUE(reaches(chosen.integer("frac_width")));
      EXPECT_FALSE(reaches(chosen.integer("frac_width") + 1));
    }
  // Nothing to fit.
  EXPECT_FALSE(fitted({"integer", ""}, 0, 0).contains("frac_width"));
  // Negative numbers are nothing to a format without them.
  EXPECT_EQ(fitted({"integer", "is_signed=false"}, -100, 1).integer("frac_width"), 7);
}

TEST(FitRange, AffineReachesBothEnds) {
  for (const char* options : {"", "symmetric=false", "width=4", "width=4 symmetric=false"})
    for (const Range& range : ranges) {
      const auto quantizer =
          bind_format("affine", "exact", fitted({"affine", options}, range.low, range.high));
      const double step = (static_cast<double>(range.high) - range.low) * 0.6 /
                          (std::string(options).find("width=4") == std::string::npos ? 255 : 15);
      for (const float end : {range.low, range.high})
        EXPECT_NEAR(quantized(*quantizer, end), end, step * 2 + 1e-30) << options << " " << end;
      EXPECT_EQ(quantized(*quantizer, 0), 0);
      EXPECT_TRUE(quantizer->by_rows(36));
    }
}

TEST(FitRange, BiasesAreTheLargestThatReach) {
  for (const FormatCase& sample :
       {FormatCase{"minifloat_ieee", ""}, FormatCase{"minifloat_ieee", "width=6 exponent_width=2"},
        FormatCase{"minifloat_denorm", ""}, FormatCase{"log", ""}, FormatCase{"log", "width=4"}})
    for (const Range& range : ranges) {
      SCOPED_TRACE(sample.text() + " " + std::to_string(range.low) + " " +
                   std::to_string(range.high));
      const float reach =
          std::max(-range.low, range.high) * (sample.format == "log" ? 0.70710678f : 1.0f);
      const Options chosen = fitted(sample, range.low, range.high);
      const auto largest = [&](std::int64_t bias) {
        Options moved = chosen;
        moved.set("exponent_bias", bias);
        return quantized(*bind_format(sample.format, "exact", moved), 3e38f);
      };
      EXPECT_GE(largest(chosen.integer("exponent_bias")), reach);
      EXPECT_LT(largest(chosen.integer("exponent_bias") + 1), reach);
    }
}

TEST(FitRange, OtherFormatsHaveNothingToFit) {
  for (const char* name : {"block_fp", "mxint", "mxfp", "binary", "ternary"})
    EXPECT_EQ(find_format(name).fit_range, nullptr) << name;
}

}  // namespace
}  // namespace hone_test
