// One bit and a scale: sign(x) times the mean magnitude (Rastegari et al., "XNOR-Net", 2016).
#include "hone/numerics/detail/group_quantizer.hpp"
#include "hone/numerics/detail/sign_kernels.hpp"

namespace hone {
namespace {
namespace binary_scaling_format {

struct ScaledSignCodec {
  static constexpr int scale_count = 1;
  using Scales = std::array<float, 1>;

  Scales fit(const float* x, std::int64_t n) const {
    return {static_cast<float>(sum_magnitudes(x, n, -1).sum / static_cast<double>(n))};
  }
  void apply(const Scales& scales, const float* x, float* y, std::int64_t n, Stores stores) const {
    choose_signs(x, y, n, scales[0], -scales[0], false, stores);
  }
  std::uint32_t encode(float x, const Scales&) const { return x >= 0 ? 1u : 0u; }
  float decode(std::uint32_t code, const Scales& scales) const {
    return code != 0 ? scales[0] : -scales[0];
  }
  static constexpr bool has_int8 = false;
  bool accepts(const Scales& scales) const { return no_nan(scales); }
  int bits() const { return 1; }
  bool depends_on_data() const { return true; }
  std::vector<float> values() const { return {1.0f}; }
  const Quantizer::Range* gradient_range() const { return nullptr; }
};

std::unique_ptr<const Quantizer> bind(const Options& options, const std::string&) {
  return std::make_unique<GroupQuantizer<ScaledSignCodec>>(
      ScaledSignCodec{}, parse_granularity(options.text("granularity")),
      options.integer("group_size"));
}

}  // namespace binary_scaling_format
}  // namespace

Format format_binary_scaling() {
  using namespace binary_scaling_format;
  Format format{{"binary_scaling",
                 "one bit and a scale: the sign times the mean magnitude",
                 {granularity_option("channel"), group_size_option()}}};
  format.formula = "(x >= 0 ? 1 : -1) * mean |x|";
  format.notes =
      "A channel, group or tensor has one float32 scale, the one with the least square error. A "
      "zero "
      "becomes +scale; one infinity makes its group infinite, one NaN makes it NaN.";
  format.for_bias = false;
  format.bind = bind;
  format.uses = {{"group_size", "granularity", std::string("group")}};
  return format;
}

}  // namespace hone
