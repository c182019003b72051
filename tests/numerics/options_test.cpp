// No option of a format is without effect: it changes what the format does, or it is refused.
#include <gtest/gtest.h>

#include "hone/core/error.hpp"
#include "numerics/samples.hpp"
#include "support/expect_error.hpp"

namespace hone_test {
namespace {

// Values to try: the ends of the range and some between, or all choices.
std::vector<OptionValue> values_of(const OptionSpec& spec) {
  std::vector<OptionValue> values;
  switch (spec.type) {
    case OptionType::boolean: return {true, false};
    case OptionType::integer:
      for (std::int64_t value :
           {-8, -4, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 64, 128})
        if (static_cast<double>(value) >= spec.minimum &&
            static_cast<double>(value) <= spec.maximum)
          values.emplace_back(value);
      return values;
    case OptionType::real:
      for (double value : {0.0, 0.01, 0.5, 1.5, 3.0})
        if (value >= spec.minimum && value <= spec.maximum) values.emplace_back(value);
      return values;
    case OptionType::text:
      for (const std::string& choice : spec.choices) values.emplace_back(choice);
      if (spec.choices.empty()) values = {std::string("4"), std::string("7"), std::string("2,3")};
      return values;
  }
  return values;
}

// What weights look like, each row in a scale of its own.
Tensor plain_numbers(Shape shape) {
  const std::int64_t columns = shape.back();
  Tensor x(DType::f32, std::move(shape));
  RandomStream random(3, 1);
  for (std::int64_t i = 0; i < x.size(); ++i)
    x.as<float>()[i] = static_cast<float>(random.normal() * (0.5 + 0.05 * (i / columns)));
  return x;
}

// All that a format does with some numbers, as one text; "refused" where it takes none.
std::string behaviour(const std::string& format, const std::string& rule, const Options& options) {
  std::unique_ptr<const Quantizer> quantizer;
  try {
    quantizer = bind_format(format, rule, options);
  } catch (const Error&) {
    return "refused";
  }
  std::string seen;
  const auto add = [&](const void* data, std::size_t bytes) {
    seen.append(static_cast<const char*>(data), bytes);
  };
  const bool flags[] = {quantizer->is_stochastic(), quantizer->has_gradient()};
  add(flags, sizeof flags);
  std::vector<Tensor> samples{plain_numbers({40, 64})};
  for (const Shape& shape : {Shape{6, 50}, Shape{2, 3, 40}, Shape{2, 3, 4, 12}}) {
    Tensor& x = samples.emplace_back(hard_numbers(shape, 5));
    // A block of subnormal numbers, and small ones with a large one among them.
    for (std::int64_t i = 0; i < 64; ++i)
      x.as<float>()[i] = 1e-40f * static_cast<float>(i + 1) * (i % 3 == 0 ? -1.0f : 1.0f);
    x.as<float>()[100] = 3e4f;
  }
  for (const Tensor& x : samples) {
    try {
      const Tensor y = quantizer->quantize(x);
      add(y.data(), y.bytes());
      const PackedTensor packed = quantizer->pack(x);
      add(packed.codes.data(), packed.codes.bytes());
      add(packed.scales.data(), packed.scales.bytes());
    } catch (const Error& error) {
      seen += error.message();
    }
  }
  if (quantizer->is_stochastic()) {
    const Tensor x = hard_numbers({6, 50}, 5);
    Tensor y(DType::f32, {6, 50});
    quantizer->quantize(x.as<float>(), y.as<float>(), 6, 50, RandomDraws{1, 2, 3, 0});
    add(y.data(), y.bytes());
  }
  return seen;
}

TEST(FormatOptions, NoneIsTakenWithoutEffect) {
  for (const Format& format : format_table()) {
    std::vector<std::string> rules = format.rules;
    rules.emplace_back("exact");
    for (const std::string& rule : rules) {
      const std::string plain = behaviour(format.name, rule, {});
      EXPECT_NE(plain, "refused") << format.name << " " << rule;
      for (const OptionSpec& spec : format.options) {
        bool taken = false;
        bool effective = false;
        for (const OptionValue& value : values_of(spec)) {
          if (spec.default_value && value == *spec.default_value) continue;
          const std::string seen = behaviour(format.name, rule, {{spec.name, value}});
          taken = taken || seen != "refused";
          effective = effective || (seen != "refused" && seen != plain);
        }
        EXPECT_EQ(taken, effective) << format.name << " " << rule << " " << spec.name;
      }
    }
  }
}

TEST(FormatOptions, ThatOthersLeaveWithoutEffect) {
  const auto bound = [](const std::string& format, const std::string& options) {
    FormatCase{format, options}.bind();
  };
  for (const char* format : {"affine", "ternary", "binary_scaling", "binary_residual_sign"}) {
    EXPECT_ERROR(bound(format, "group_size=8"), ErrorCode::invalid_argument,
                 "'group_size' changes nothing without granularity = group");
    EXPECT_ERROR(bound(format, "granularity=tensor group_size=8"), ErrorCode::invalid_argument,
                 "[" + std::string(format) + "] option 'group_size' changes nothing");
    EXPECT_NO_THROW(bound(format, "granularity=group group_size=8"));
    EXPECT_NO_THROW(bound(format, "granularity=group"));
  }
  EXPECT_ERROR(bound("affine", "granularity=tensor scale=0.5"), ErrorCode::invalid_argument,
               "'granularity' changes nothing beside scale");
}

}  // namespace
}  // namespace hone_test
