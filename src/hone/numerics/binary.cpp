// One bit: the sign, without a scale.
#include "hone/numerics/detail/format_options.hpp"
#include "hone/numerics/detail/group_quantizer.hpp"
#include "hone/numerics/detail/mase_group.hpp"
#include "hone/numerics/detail/rule_quantizer.hpp"
#include "hone/numerics/detail/sign_kernels.hpp"

namespace hone {
namespace {
namespace binary_format {

// +1 from zero up, -1 below; or 1 above zero, 0 otherwise.
struct SignCodec {
  static constexpr int scale_count = 0;
  bool bipolar = true;

  std::array<float, 0> fit(const float*, std::int64_t) const { return {}; }
  float value(float x) const {
    if (std::isnan(x)) return x;
    if (bipolar) return x >= 0 ? 1.0f : -1.0f;
    return x > 0 ? 1.0f : 0.0f;
  }
  void apply(const std::array<float, 0>&, const float* x, float* y, std::int64_t n,
             Stores stores) const {
    choose_signs(x, y, n, 1.0f, bipolar ? -1.0f : 0.0f, !bipolar, stores);
  }
  std::uint32_t encode(float x, const std::array<float, 0>&) const {
    return value(x) > 0 ? 1u : 0u;
  }
  float decode(std::uint32_t code, const std::array<float, 0>&) const {
    return code != 0 ? 1.0f : bipolar ? -1.0f : 0.0f;
  }
  static constexpr bool has_int8 = false;
  bool accepts(const std::array<float, 0>&) const { return true; }
  int bits() const { return 1; }
  bool depends_on_data() const { return false; }
  std::vector<float> values() const {
    return bipolar ? std::vector<float>{1.0f} : std::vector<float>{0.0f, 1.0f};
  }
  const Quantizer::Range* gradient_range() const {
    static constexpr Quantizer::Range range{-1.0f, 1.0f};
    return &range;
  }
};

// +1 with the probability that makes the mean x.
class StochasticSign : public GroupQuantizer<SignCodec> {
public:
  StochasticSign() : GroupQuantizer<SignCodec>(SignCodec{}, Granularity::channel, 1) {}

  using GroupQuantizer<SignCodec>::quantize;
  bool is_stochastic() const override { return true; }
  void quantize(const float* x, float* y, std::int64_t rows, std::int64_t columns,
                const RandomDraws& draws) const override {
    draw_signs(x, y, rows * columns, draws);
  }
};

std::unique_ptr<const Quantizer> bind(const Options& options, const std::string& rule) {
  const bool bipolar = options.boolean("bipolar");
  const bool stochastic = options.boolean("stochastic");
  if (stochastic && !bipolar)
    fail_format("binary", "stochastic = true needs bipolar = true",
                "leave one of them as it is by default");
  if (stochastic && rule != "exact")
    fail_format("binary", "stochastic = true is for rule exact", "leave it out");
  if (stochastic) return std::make_unique<StochasticSign>();
  if (rule == "mase")
    return std::make_unique<TensorRule>(
        "binary", rule, 1, bipolar ? 1 : 0,
        [bipolar](const Tensor& x) { return mase::binary(x, false, bipolar, nullptr); });
  return std::make_unique<GroupQuantizer<SignCodec>>(SignCodec{bipolar}, Granularity::channel, 1);
}

}  // namespace binary_format
}  // namespace

Format format_binary() {
  using namespace binary_format;
  Format format{{"binary",
                 "one bit: the sign",
                 {{"bipolar", OptionType::boolean, true, "-1 and +1; false: 0 and 1"},
                  {"stochastic", OptionType::boolean, false,
                   "while training: +1 with probability (x + 1) / 2, limited to [0, 1]"}}}};
  format.rules = {"mase"};
  format.formula = "x >= 0 ? +1 : -1";
  format.notes =
      "Zero of either sign becomes +1 (0 when not bipolar), NaN stays. The gradient passes where "
      "|x| <= 1. "
      "Rule mase makes NaN -1 and does not cut the gradient.";
  format.for_data = format.for_bias = false;
  format.bind = bind;
  return format;
}

}  // namespace hone
