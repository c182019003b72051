// -a, 0, +a (Li et al., "Ternary weight networks", 2016).
#include "hone/numerics/detail/group_quantizer.hpp"
#include "hone/numerics/detail/mase_group.hpp"
#include "hone/numerics/detail/rule_quantizer.hpp"
#include "hone/numerics/detail/sign_kernels.hpp"

namespace hone {
namespace {
namespace ternary_format {

// Scales: a, and the border between zero and a.
struct TernaryCodec {
  static constexpr int scale_count = 2;
  using Scales = std::array<float, 2>;
  double threshold = 0.75;
  bool scaling_factor = true;

  Scales fit(const float* x, std::int64_t n) const {
    const double mean = sum_magnitudes(x, n, -1).sum / static_cast<double>(n);
    const auto border = static_cast<float>(threshold * mean);
    // A border of NaN or infinity has nothing above it.
    if (!scaling_factor || !std::isfinite(border)) return {1.0f, border};
    const MagnitudeSum above = sum_magnitudes(x, n, border);
    if (above.count == 0) return {0.0f, border};
    return {static_cast<float>(above.sum / static_cast<double>(above.count)), border};
  }
  void apply(const Scales& scales, const float* x, float* y, std::int64_t n, Stores stores) const {
    choose_thirds(x, y, n, scales[0], scales[1], scaling_factor ? fetched(stores) : stores);
  }
  std::uint32_t encode(float x, const Scales& scales) const {
    if (!(std::fabs(x) > scales[1])) return 0;
    return x > 0 ? 1u : 3u;
  }
  bool is_number(std::uint32_t code) const { return code != 2; }
  float decode(std::uint32_t code, const Scales& scales) const {
    if (code == 0) return 0.0f;
    return code == 1 ? scales[0] : -scales[0];
  }
  static constexpr bool has_int8 = false;
  bool accepts(const Scales& scales) const { return no_nan(scales); }
  int bits() const { return 2; }
  bool depends_on_data() const { return true; }
  std::vector<float> values() const { return {0.0f, 1.0f}; }
  const Quantizer::Range* gradient_range() const { return nullptr; }
};

std::unique_ptr<const Quantizer> bind(const Options& options, const std::string& rule) {
  if (rule == "mase") {
    const bool scaled = options.boolean("scaling_factor");
    return std::make_unique<TensorRule>(
        "ternary", rule, 2, 0, [scaled](const Tensor& x) { return mase::ternary(x, scaled); });
  }
  return std::make_unique<GroupQuantizer<TernaryCodec>>(
      TernaryCodec{options.real("threshold"), options.boolean("scaling_factor")},
      parse_granularity(options.text("granularity")), options.integer("group_size"));
}

}  // namespace ternary_format
}  // namespace

Format format_ternary() {
  using namespace ternary_format;
  Format format{{"ternary",
                 "three values: minus a scale, zero, plus a scale",
                 {{"threshold", OptionType::real, 0.75,
                   "numbers up to this times the mean magnitude become zero", 0, 4},
                  {"scaling_factor", OptionType::boolean, true,
                   "the scale is the mean magnitude of the others; false: 1"},
                  granularity_option("channel"),
                  group_size_option()}}};
  format.rules = {"mase"};
  format.formula = "|x| > threshold * mean |x| ? sign(x) * a : 0";
  format.notes =
      "Two bits a number (the code 2 is not used) and two float32 a group. An infinity makes its "
      "group zero; NaN stays and makes the rest of its group zero. Rule mase takes "
      "four-dimensional tensors only: the filters of convolutions.";
  format.for_data = format.for_bias = false;
  format.bind = bind;
  format.uses = {{"threshold", "rule", std::string("exact")},
                 {"granularity", "rule", std::string("exact")},
                 {"group_size", "granularity", std::string("group")}};
  return format;
}

}  // namespace hone
