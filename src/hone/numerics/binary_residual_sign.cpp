// A sum of signs: each level is the sign of what the levels before it left over (Ghasemzadeh et
// al., "ReBNet: residual binarized neural network", 2018).
#include <fmt/format.h>

#include "hone/numerics/detail/format_options.hpp"
#include "hone/numerics/detail/group_quantizer.hpp"
#include "hone/numerics/detail/mase_group.hpp"
#include "hone/numerics/detail/rule_quantizer.hpp"
#include "hone/numerics/detail/sign_kernels.hpp"

namespace hone {
namespace {
namespace binary_residual_sign_format {

constexpr int most_levels = 4;

// Scales: the magnitude of each level, the mean of what is left over; unused ones are zero.
struct ResidualCodec {
  static constexpr int scale_count = most_levels;
  using Scales = std::array<float, most_levels>;
  int levels = 2;

  Scales fit(const float* x, std::int64_t n) const {
    Scales scales{};
    for (int level = 0; level < levels; ++level)
      scales[static_cast<std::size_t>(level)] =
          static_cast<float>(sum_residuals(x, n, scales, level) / static_cast<double>(n));
    return scales;
  }
  std::uint32_t encode(float x, const Scales& scales) const {
    std::uint32_t code = 0;
    for (int level = 0; level < levels; ++level) {
      const float scale = scales[static_cast<std::size_t>(level)];
      if (x >= 0) code |= 1u << level;
      x -= x >= 0 ? scale : -scale;
    }
    return code;
  }
  float decode(std::uint32_t code, const Scales& scales) const {
    float value = 0;
    for (int level = 0; level < levels; ++level) {
      const float scale = scales[static_cast<std::size_t>(level)];
      value += (code >> level & 1u) != 0 ? scale : -scale;
    }
    return value;
  }
  void apply(const Scales& scales, const float* x, float* y, std::int64_t n, Stores stores) const {
    sum_levels(x, y, n, scales, levels, levels > 1 ? fetched(stores) : stores);
  }
  static constexpr bool has_int8 = false;
  bool accepts(const Scales& scales) const { return no_nan(scales); }
  int bits() const { return levels; }
  bool depends_on_data() const { return true; }
  std::vector<float> values() const {
    // With the magnitudes (levels - l) / (1 + ... + levels).
    Scales scales{};
    const float total = static_cast<float>(levels * (levels + 1) / 2);
    for (int l = 0; l < levels; ++l)
      scales[static_cast<std::size_t>(l)] = static_cast<float>(levels - l) / total;
    std::vector<float> values;
    for (std::uint32_t code = 0; code < 1u << levels; ++code)
      if (decode(code, scales) >= 0) values.push_back(decode(code, scales));
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    return values;
  }
  const Quantizer::Range* gradient_range() const { return nullptr; }
};

std::unique_ptr<const Quantizer> bind(const Options& options, const std::string& rule) {
  if (rule == "mase") {
    const auto means = mase::standard_means(static_cast<int>(options.integer("levels")));
    return std::make_unique<TensorRule>(
        "binary_residual_sign", rule, static_cast<double>(means.size()), 1,
        [means](const Tensor& x) { return mase::residual_sign_sum(x, means); });
  }
  return std::make_unique<GroupQuantizer<ResidualCodec>>(
      ResidualCodec{static_cast<int>(options.integer("levels"))},
      parse_granularity(options.text("granularity")), options.integer("group_size"));
}

}  // namespace binary_residual_sign_format
}  // namespace

Format format_binary_residual_sign() {
  using namespace binary_residual_sign_format;
  Format format{
      {"binary_residual_sign",
       "a sum of signs: each bit the sign of what the bits before left over",
       {{"levels", OptionType::integer, std::int64_t{2}, "bits of a number", 1, most_levels},
        granularity_option("channel"),
        group_size_option()}}};
  format.rules = {"mase"};
  format.formula =
      "sum over l of sign(r_l) * mean |r_l|, r_0 = x, r_(l+1) = r_l - the level before";
  format.notes =
      "A channel, group or tensor has four float32 scales. One infinity or NaN in a group makes "
      "all of it NaN. Rule mase has up to three levels with fixed magnitudes (levels - l) / (1 + "
      "... "
      "+ levels), and a zero has no sign.";
  format.for_bias = false;
  format.bind = bind;
  format.uses = {{"granularity", "rule", std::string("exact")},
                 {"group_size", "granularity", std::string("group")}};
  return format;
}

}  // namespace hone
