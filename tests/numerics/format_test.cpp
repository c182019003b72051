// What holds for every format and width under rule exact.
#include <gtest/gtest.h>

#include "numerics/samples.hpp"
#include "support/expect_error.hpp"
#include "support/vector_targets.hpp"

namespace hone_test {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

const std::vector<Shape> shapes{{0},  {0, 7},  {3, 0},     {1},    {1, 1},
                                {17}, {5, 33}, {2, 3, 40}, {64, 1}};

void expect_same(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.shape(), b.shape());
  for (std::int64_t i = 0; i < a.size(); ++i)
    ASSERT_TRUE(same_bits(a.as<float>()[i], b.as<float>()[i]))
        << "element " << i << ": " << a.as<float>()[i] << " and " << b.as<float>()[i];
}

// Formats whose scales follow from the numbers do not give the same numbers again: the mean
// magnitude of what is quantized is another one.
bool is_idempotent(const FormatCase& sample) {
  return sample.format != "ternary" && sample.format != "binary_residual_sign" &&
         sample.format != "affine";
}

TEST(Formats, PackedNumbersAreTheQuantizedOnesBitForBit) {
  for (const FormatCase& sample : format_cases()) {
    SCOPED_TRACE(sample.text());
    const auto quantizer = sample.bind();
    for (const Shape& shape : shapes) {
      SCOPED_TRACE(to_string(shape));
      const Tensor x = hard_numbers(shape, 11);
      const Tensor y = quantizer->quantize(x);
      const PackedTensor packed = quantizer->pack(x);
      EXPECT_EQ(packed.shape, shape);
      ASSERT_NO_THROW(quantizer->check(packed));
      expect_same(quantizer->unpack(packed), y);
      if (HasFatalFailure()) return;
      const double bits = 8.0 * static_cast<double>(packed.codes.bytes());
      if (x.size() > 0) EXPECT_LE(bits / static_cast<double>(x.size()) - 8, packed.code_bits);
    }
  }
}

TEST(Formats, RowsOfPackedNumbers) {
  for (const FormatCase& sample : format_cases()) {
    SCOPED_TRACE(sample.text());
    const auto quantizer = sample.bind();
    const Tensor x = hard_numbers({7, 33}, 3);
    const PackedTensor packed = quantizer->pack(x);
    const Tensor whole = quantizer->unpack(packed);
    std::vector<float> rows(3 * 33);
    quantizer->unpack_rows(packed, 2, 3, rows.data());
    for (std::size_t i = 0; i < rows.size(); ++i)
      ASSERT_TRUE(same_bits(rows[i], whole.as<float>()[2 * 33 + i])) << i;
  }
}

// Codes that no number becomes: a file that holds one is damaged.
TEST(Formats, CodesThatStandForNoNumberAreRefused) {
  struct Illegal {
    const char* format;
    const char* options;
    std::vector<std::uint8_t> codes;
  };
  const std::vector<Illegal> all{
      {"mxint", "", {0x80}},
      {"mxfp", "exponent_width=4 frac_width=3", {0x7F, 0xFF}},              // NaN
      {"mxfp", "exponent_width=5 frac_width=2", {0x7C, 0x7D, 0x7F, 0xFE}},  // infinity, NaN
      {"block_fp", "width=8", {0x80}},
      {"affine", "width=8", {0x80}},
      {"affine", "width=4", {0x08}},
      {"ternary", "", {0x02}},
      {"mxint", "width=6", {0x20}},
  };
  for (const Illegal& sample : all) {
    const auto quantizer = FormatCase{sample.format, sample.options}.bind();
    PackedTensor packed = quantizer->pack(hard_numbers({3, 40}, 8));
    EXPECT_NO_THROW(quantizer->check(packed));
    for (const std::uint8_t code : sample.codes) {
      PackedTensor damaged = packed;
      damaged.codes = packed.codes.clone();
      auto* bytes = damaged.codes.as<std::uint8_t>();
      const auto mask = static_cast<std::uint8_t>((1u << packed.code_bits) - 1u);
      bytes[0] = static_cast<std::uint8_t>((bytes[0] & ~mask) | code);
      EXPECT_ERROR(quantizer->check(damaged), ErrorCode::bad_format, "element 0: code");
      EXPECT_ERROR(quantizer->unpack(damaged), ErrorCode::bad_format, "stands for no number");
    }
  }
}

TEST(Formats, QuantizingTwiceChangesNothing) {
  for (const FormatCase& sample : format_cases()) {
    if (!is_idempotent(sample)) continue;
    SCOPED_TRACE(sample.text());
    const auto quantizer = sample.bind();
    const Tensor once = quantizer->quantize(hard_numbers({5, 33}, 29));
    expect_same(quantizer->quantize(once), once);
    if (HasFatalFailure()) return;
  }
}

// Numbers are never nearer to another number of the format than to the one they become.
TEST(Formats, ElementFormatsRoundToTheNearest) {
  for (const FormatCase& sample : format_cases()) {
    if (sample.options.find("floor") != std::string::npos || sample.format == "log") continue;
    if (sample.format.rfind("block", 0) == 0 || sample.format.rfind("mx", 0) == 0 ||
        sample.format.rfind("binary", 0) == 0 || sample.format == "ternary" ||
        sample.format == "affine")
      continue;
    const auto quantizer = sample.bind();
    const std::vector<float> values = quantizer->values(1 << 12);
    if (values.empty()) continue;
    SCOPED_TRACE(sample.text());
    const Tensor x = hard_numbers({1, 200}, 41);
    const Tensor y = quantizer->quantize(x);
    for (std::int64_t i = 0; i < x.size(); ++i) {
      const double magnitude = std::fabs(x.as<float>()[i]);
      const double got = std::fabs(x.as<float>()[i] < 0 ? -y.as<float>()[i] : y.as<float>()[i]);
      if (x.as<float>()[i] < 0 && sample.format == "integer") continue;
      const auto above = std::lower_bound(values.begin(), values.end(), magnitude);
      double best = infinity;
      if (above != values.end()) best = std::fabs(*above - magnitude);
      if (above != values.begin()) best = std::min(best, std::fabs(*(above - 1) - magnitude));
      ASSERT_EQ(std::fabs(got - magnitude), best) << x.as<float>()[i];
    }
  }
}

TEST(Formats, InfinitiesSaturateAndNanStays) {
  for (const FormatCase& sample : format_cases()) {
    if (sample.format == "ternary" || sample.format == "binary_residual_sign" ||
        sample.format == "binary_scaling")
      continue;  // their scales become infinite: see the notes
    SCOPED_TRACE(sample.text());
    const auto quantizer = sample.bind();
    Tensor x(DType::f32, {1, 3});
    x.as<float>()[0] = infinity;
    x.as<float>()[1] = -infinity;
    x.as<float>()[2] = not_a_number;
    const Tensor y = quantizer->quantize(x);
    EXPECT_TRUE(std::isfinite(y.as<float>()[0])) << y.as<float>()[0];
    EXPECT_TRUE(std::isfinite(y.as<float>()[1])) << y.as<float>()[1];
    EXPECT_GE(y.as<float>()[0], 0);
    EXPECT_LE(y.as<float>()[1], 0);
    EXPECT_TRUE(std::isnan(y.as<float>()[2]));
    // The largest number there is becomes the same.
    x.as<float>()[0] = std::numeric_limits<float>::max();
    x.as<float>()[1] = -x.as<float>()[0];
    const Tensor z = quantizer->quantize(x);
    EXPECT_EQ(z.as<float>()[0], y.as<float>()[0]);
    EXPECT_EQ(z.as<float>()[1], y.as<float>()[1]);
    EXPECT_ERROR(quantizer->pack(x), ErrorCode::numeric, "NaN");
  }
}

TEST(Formats, ZeroStaysZero) {
  for (const FormatCase& sample : format_cases()) {
    if (sample.format.rfind("binary", 0) == 0) continue;
    SCOPED_TRACE(sample.text());
    const auto quantizer = sample.bind();
    Tensor zeros(DType::f32, {3, 9});
    zeros.as<float>()[4] = -0.0f;
    const Tensor y = quantizer->quantize(zeros);
    for (const float value : y.span<float>()) ASSERT_EQ(value, 0.0f);
    expect_same(quantizer->unpack(quantizer->pack(zeros)), y);
    // A zero among others.
    Tensor x = hard_numbers({3, 9}, 8);
    x.as<float>()[5] = 0.0f;
    ASSERT_EQ(quantizer->quantize(x).as<float>()[5], 0.0f);
  }
}

void expect_rows_by_themselves(const Quantizer& quantizer, std::int64_t columns) {
  if (!quantizer.by_rows(columns)) return;
  const Tensor x = hard_numbers({6, columns}, 61);
  const Tensor whole = quantizer.quantize(x);
  std::vector<float> row(static_cast<std::size_t>(columns));
  for (std::int64_t r = 0; r < 6; ++r) {
    quantizer.quantize(x.as<float>() + r * columns, row.data(), 1, columns);
    for (std::int64_t c = 0; c < columns; ++c)
      ASSERT_TRUE(same_bits(row[static_cast<std::size_t>(c)], whole.as<float>()[r * columns + c]));
  }
}

TEST(Formats, RowsByThemselvesAreRowsOfTheWhole) {
  for (const FormatCase& sample : format_cases()) {
    const auto quantizer = sample.bind();
    SCOPED_TRACE(sample.text());
    expect_rows_by_themselves(*quantizer, 33);
  }
}

// Under other rules runs may straddle the ends of rows, or blocks borrow from other rows.
TEST(Formats, RowsByThemselvesUnderOtherRules) {
  int by_rows = 0, others = 0;
  for (const Format& format : format_table())
    for (const std::string& rule : format.rules)
      for (const char* options :
           {"", "block_size=8", "skip_first_dim=true", "skip_first_dim=false",
            "skip_first_dim=false block_size=1,8", "block_dim=1", "block_dim=0"})
        for (const std::int64_t columns : {32, 40}) {
          SCOPED_TRACE(format.name + " " + rule + " " + options);
          std::unique_ptr<const Quantizer> quantizer;
          try {
            quantizer = FormatCase{format.name, options}.bind(rule);
          } catch (const Error&) {
            continue;  // an option that the format or rule does not have
          }
          ++(quantizer->by_rows(columns) ? by_rows : others);
          expect_rows_by_themselves(*quantizer, columns);
        }
  EXPECT_GT(by_rows, 40);
  EXPECT_GT(others, 10);
}

TEST(Formats, InPlaceIsTheSame) {
  for (const FormatCase& sample : format_cases()) {
    SCOPED_TRACE(sample.text());
    const auto quantizer = sample.bind();
    Tensor x = hard_numbers({5, 40}, 71);
    const Tensor y = quantizer->quantize(x);
    quantizer->quantize(x.as<float>(), x.as<float>(), 5, 40);
    expect_same(x, y);
    if (HasFatalFailure()) return;
  }
}

TEST(Formats, DamagedPackedTensorsAreErrors) {
  for (const FormatCase& sample : format_cases()) {
    SCOPED_TRACE(sample.text());
    const auto quantizer = sample.bind();
    const PackedTensor good = quantizer->pack(hard_numbers({4, 33}, 2));
    const auto expect_bad = [&](const PackedTensor& bad, const char* what) {
      SCOPED_TRACE(what);
      EXPECT_ERROR(quantizer->check(bad), ErrorCode::bad_format, "");
      EXPECT_ERROR(quantizer->unpack(bad), ErrorCode::bad_format, "");
    };
    PackedTensor bad = good;
    bad.codes = Tensor(DType::u8, {good.codes.size() - 1});
    expect_bad(bad, "codes cut off");
    bad = good;
    bad.code_bits += 1;
    expect_bad(bad, "width");
    bad = good;
    bad.shape = {4, 34000};
    expect_bad(bad, "shape");
    bad.shape = {-4, 33};
    expect_bad(bad, "negative shape");
    bad.shape = {std::int64_t{1} << 40, std::int64_t{1} << 40};
    expect_bad(bad, "impossible shape");
    bad = good;
    bad.scales = good.scales.empty() ? Tensor(DType::f32, {1})
                                     : Tensor(good.scales.dtype(), {good.scales.size() + 1});
    expect_bad(bad, "one scale too many");
    if (good.scales.empty()) continue;
    bad.scales =
        Tensor(good.scales.dtype() == DType::u8 ? DType::i8 : DType::f64, good.scales.shape());
    expect_bad(bad, "type of scales");
    if (good.scales.dtype() != DType::f32) continue;
    bad.scales = good.scales.clone();
    bad.scales.as<float>()[0] = not_a_number;
    expect_bad(bad, "a scale is NaN");
  }
}

TEST(Formats, OptionsThatDoNotFitAreRefused) {
  const auto refuses = [](const char* format, const char* options, const std::string& part,
                          const std::string& rule = "exact") {
    SCOPED_TRACE(std::string(format) + " " + options);
    EXPECT_ERROR(FormatCase({format, options}).bind(rule), ErrorCode::invalid_argument, part);
  };
  refuses("integer", "width=65", "'width'");
  refuses("integer", "width=33", "width = 33 is above 32");
  refuses("integer", "width=0", "'width'");
  refuses("minifloat_ieee", "width=4 exponent_width=4", "exponent_width = 4");
  refuses("minifloat_ieee", "width=32 exponent_width=4", "27 mantissa bits");
  refuses("minifloat_denorm", "width=8 exponent_width=8", "exponent_width = 8", "mase");
  refuses("minifloat_denorm", "exponent_bias=200", "exponent_bias = 200");
  refuses("block_fp", "block_size=0", "block_size = '0'");
  refuses("block_fp", "block_size=-1,16", "block_size = '-1,16'");
  refuses("block_fp", "skip_first_dim=true", "'skip_first_dim' changes nothing");
  refuses("block_fp", "width=33", "'width'");
  refuses("mxint", "quantile_search=true", "'quantile_search' changes nothing");
  refuses("mxint", "block_dim=0", "'block_dim' changes nothing");
  refuses("mxint", "rounding=even", "'rounding' changes nothing", "mase");
  refuses("mxint", "block_size=4,4", "one size", "mase");
  refuses("mxfp", "exponent_width=3 frac_width=3", "no element");
  refuses("mxfp", "exponent_width=1 frac_width=2", "no element");
  refuses("affine", "zero_point=3", "zero_point");
  refuses("affine", "width=25", "width = 25 is above 24");
  refuses("binary", "stochastic=true bipolar=false", "bipolar");
  refuses("block_log", "width=9 exponent_bias_width=3", "exponent_bias_width = 3");
  refuses("block_minifloat", "width=12 exponent_width=8", "exponent_width = 8");
  refuses("log", "exponent_bias=-250", "exponent_bias = -250");
  refuses("integer", "", "no rule 'microxcaling'", "microxcaling");
  EXPECT_NO_THROW(FormatCase({"block_fp", "block_size=-1,16 skip_first_dim=true"}).bind("mase"));
}

TEST(Formats, TailErrorRefusesShorterBlocks) {
  for (const char* format : {"block_fp", "block_minifloat", "block_log", "mxint", "mxfp"}) {
    SCOPED_TRACE(format);
    const auto strict = FormatCase{format, "block_size=16 tail=error"}.bind();
    EXPECT_NO_THROW(strict->quantize(hard_numbers({3, 32}, 1)));
    EXPECT_ERROR(strict->quantize(hard_numbers({3, 33}, 1)), ErrorCode::invalid_argument,
                 "block_size = 16 does not divide 33 columns");
    EXPECT_ERROR(strict->pack(hard_numbers({3, 33}, 1)), ErrorCode::invalid_argument, "33");
    const auto boxes = FormatCase{format, "block_size=2,16 tail=error"}.bind();
    EXPECT_ERROR(boxes->quantize(hard_numbers({3, 32}, 1)), ErrorCode::invalid_argument, "3 rows");
  }
}

TEST(Formats, OtherRulesAreNotPacked) {
  for (const Format& format : format_table())
    for (const std::string& rule : format.rules) {
      const auto quantizer = bind_format(format.name, rule, {});
      EXPECT_ERROR(quantizer->pack(hard_numbers({2, 32}, 1)), ErrorCode::unsupported,
                   "[" + format.name + "]");
    }
}

}  // namespace
}  // namespace hone_test
