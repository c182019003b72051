// A real scale and a zero point: what INT8 and INT4 mean in most frameworks.
#include "hone/numerics/detail/format_options.hpp"
#include "hone/numerics/detail/group_quantizer.hpp"
#include "hone/numerics/detail/mase_group.hpp"
#include "hone/numerics/detail/rule_quantizer.hpp"

namespace hone {
namespace {
namespace affine_format {

// Scales: the step, and the code of zero.
struct AffineCodec {
  static constexpr int scale_count = 2;
  using Scales = std::array<float, 2>;
  int width = 8;
  bool symmetric = true;
  // Given by the options (calibrated), or step 0: from the numbers themselves.
  float step = 0;
  float zero_point = 0;

  // Half of float32's range: codes times the step stay finite. Infinities count as this.
  static constexpr float largest_end = 0x1p127f;
  float low() const { return symmetric ? -high() : 0.0f; }
  float high() const {
    return symmetric ? power_of_two(width - 1) - 1.0f : power_of_two(width) - 1.0f;
  }

  Scales fit(const float* x, std::int64_t n) const {
    if (step > 0) return {step, zero_point};
    if (symmetric) {
      const std::uint32_t largest = largest_magnitude_bits(x, n);
      const float magnitude = std::min(std::bit_cast<float>(largest), largest_end);
      return {positive(magnitude / high()), 0.0f};
    }
    // Zero stays a number of the grid.
    const ValueRange range = value_range(x, n);
    const float least = std::max(range.low, -largest_end);
    const float most = std::min(range.high, largest_end);
    const float scale = positive(most / high() - least / high());
    return {scale, std::clamp(round_to_even(-least / scale), low(), high())};
  }
  static float positive(float step) {
    return step < std::numeric_limits<float>::min() ? std::numeric_limits<float>::min() : step;
  }
  UniformGrid grid(const Scales& scales) const {
    return {1.0f / scales[0], scales[0], low() - scales[1], high() - scales[1], Rounding::nearest};
  }
  void apply(const Scales& scales, const float* x, float* y, std::int64_t n, Stores stores) const {
    quantize_values(grid(scales), x, y, n, stores);
  }
  std::uint32_t encode(float x, const Scales& scales) const {
    const float code = grid(scales).code(x) + scales[1];
    return static_cast<std::uint32_t>(static_cast<std::int32_t>(code)) & ((1u << width) - 1u);
  }
  // Symmetric codes have no smallest one.
  bool is_number(std::uint32_t code) const { return !symmetric || code != 1u << (width - 1); }
  float decode(std::uint32_t code, const Scales& scales) const {
    auto k = static_cast<std::int32_t>(code);
    if (symmetric && (code >> (width - 1)) != 0) k -= 1 << width;
    return (static_cast<float>(k) - scales[1]) * scales[0];
  }
  bool accepts(const Scales& scales) const {
    if (step > 0) return scales[0] == step && scales[1] == zero_point;
    const bool whole =
        symmetric ? scales[1] == 0
                  : scales[1] >= 0 && scales[1] <= high() && scales[1] == round_to_even(scales[1]);
    return std::isfinite(scales[0]) && scales[0] > 0 && whole;
  }
  static constexpr bool has_int8 = true;
  Int8Layout int8_layout() const {
    return {0,
            !symmetric,
            step > 0,
            step,
            static_cast<std::int32_t>(zero_point),
            static_cast<std::int32_t>(low()),
            static_cast<std::int32_t>(high())};
  }
  void encode_int8(const Scales& scales, const float* x, std::int8_t* codes, std::int64_t n) const {
    encode_values(grid(scales), scales[1], x, codes, n);
  }
  std::int32_t zero(const Scales& scales) const { return static_cast<std::int32_t>(scales[1]); }
  int bits() const { return width; }
  bool depends_on_data() const { return step == 0; }
  std::vector<float> values() const {
    std::vector<float> values;
    for (float k = 0; k <= high(); ++k) values.push_back(k);
    return values;
  }
  const Quantizer::Range* gradient_range() const { return nullptr; }
};

std::unique_ptr<const Quantizer> bind(const Options& options, const std::string& rule) {
  if (rule == "mase") {
    if (options.text("granularity") != "channel" || options.contains("scale"))
      fail_format("affine", "rule mase scales each row by its largest number",
                  "leave granularity and scale out");
    const auto width = static_cast<int>(options.integer("width"));
    const bool is_signed = options.boolean("symmetric");
    return std::make_unique<TensorRule>(
        "affine", rule, width, 1,
        [width, is_signed](const Tensor& x) { return mase::scale_integer(x, width, is_signed); });
  }
  refuse_wider("affine", "width", options.integer("width"), 24);
  AffineCodec codec;
  codec.width = static_cast<int>(options.integer("width"));
  codec.symmetric = options.boolean("symmetric");
  codec.step = static_cast<float>(options.real_or("scale", 0));
  codec.zero_point = static_cast<float>(options.integer_or("zero_point", 0));
  if (options.contains("zero_point") && (codec.symmetric || codec.step == 0))
    fail_format("affine", "zero_point is used with scale and symmetric = false only",
                "leave it out");
  if (codec.zero_point > codec.high())
    fail_format("affine", "zero_point lies outside the codes of this width", "make it smaller");
  return std::make_unique<GroupQuantizer<AffineCodec>>(
      codec, parse_granularity(options.text("granularity")), options.integer("group_size"));
}

// The step whose largest code is the larger end; without symmetry the codes reach from end to end.
Options fit_range(const Options& options, float low, float high) {
  AffineCodec codec;
  codec.width = static_cast<int>(options.integer_or("width", 8));
  codec.symmetric = options.boolean_or("symmetric", true);
  const float ends[2] = {std::min(low, 0.0f), std::max(high, 0.0f)};
  const AffineCodec::Scales scales = codec.fit(ends, 2);
  Options fitted = options;
  // One scale for all numbers.
  fitted.erase("granularity");
  fitted.erase("group_size");
  fitted.set("scale", std::clamp<double>(scales[0], 1e-30, 1e30));
  if (!codec.symmetric) fitted.set("zero_point", static_cast<std::int64_t>(scales[1]));
  return fitted;
}

}  // namespace affine_format
}  // namespace

Format format_affine() {
  using namespace affine_format;
  Format format{{"affine",
                 "a real scale and a zero point: the usual INT8 and INT4",
                 {with_most(width_option(2, 32, 8), 24),
                  {"symmetric", OptionType::boolean, true,
                   "zero point 0; false: from the smallest to the largest"},
                  granularity_option("channel"),
                  group_size_option(),
                  {"scale", OptionType::real, std::nullopt, "the step (default: from the numbers)",
                   1e-30, 1e30},
                  {"zero_point", OptionType::integer, std::nullopt, "the code of zero, with scale",
                   0, 0x1p24 - 1}}}};
  format.rules = {"mase"};
  format.formula = "(clamp(round(x / scale) + zero_point) - zero_point) * scale";
  format.notes =
      "The step is the largest magnitude over the largest code (symmetric), or the range over all "
      "codes. "
      "Infinities saturate, NaN stays. A tensor, channel or group keeps its step and zero point as "
      "float32.";
  format.bind = bind;
  format.fit_range = fit_range;
  format.scales_itself = true;
  format.uses = {{"zero_point", "rule", std::string("exact")},
                 {"group_size", "granularity", std::string("group")},
                 {"granularity", "scale"}};
  return format;
}

}  // namespace hone
