#include "hone/numerics/detail/microxcaling.hpp"

#include <cmath>

#include "hone/numerics/detail/format_options.hpp"
#include "hone/numerics/detail/log2_steps.hpp"
#include "hone/numerics/detail/mase_rules.hpp"
#include "hone/numerics/detail/rule_quantizer.hpp"

namespace hone::microxcaling {
namespace {

float round_magnitude(float v, Round round) {
  const float magnitude = std::fabs(v);
  if (round == Round::floor) return std::floor(magnitude);
  const float nearest = std::floor(magnitude + 0.5f);
  if (round == Round::even && std::fmod(magnitude - 0.5f, 2.0f) == 0.0f) return nearest - 1.0f;
  return nearest;
}

void quantize_block(const BlockOptions& o, float* x, std::int64_t n) {
  float most = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const float magnitude = std::fabs(x[i]);
    if (magnitude > most || std::isnan(magnitude)) most = magnitude;
    if (std::isnan(most)) break;
  }
  if (most == 0) most = std::numeric_limits<float>::min();
  if (!std::isfinite(most)) {
    std::fill_n(x, n, std::nanf(""));
    return;
  }
  int e = floor_log2(most);
  if (o.flush_subnormals && e <= -127)
    for (std::int64_t i = 0; i < n; ++i) x[i] = x[i] * 0.0f;
  e -= o.element.element.largest_exponent;
  const int limit = (1 << (o.scale_bits - 1)) - 1;
  const float scale = e > limit ? std::nanf("") : power_of_two(std::max(e, -limit));
  for (std::int64_t i = 0; i < n; ++i) x[i] = quantize_element(o.element, x[i] / scale) * scale;
}

}  // namespace

OptionSpec rounding_option() {
  return {"rounding",
          OptionType::text,
          std::nullopt,
          "rule microxcaling: nearest (halves away from zero), even or floor (default: nearest)",
          0,
          0,
          {"nearest", "floor", "even"}};
}
OptionSpec flush_subnormals_option() {
  return {"flush_subnormals", OptionType::boolean, std::nullopt,
          "rule microxcaling: blocks of float32 subnormal numbers become zero"};
}
Round parse_round(const std::string& name) {
  return name == "floor" ? Round::floor : name == "even" ? Round::even : Round::nearest;
}

Element integer_element(int bits) {
  return {0, bits, 0, (power_of_two(bits - 1) - 1.0f) / power_of_two(bits - 2)};
}

Element float_element(int exponent_width, int fraction) {
  const int bias = (1 << (exponent_width - 1)) - 1;
  // E5M2 keeps its top exponent for infinity and NaN, E4M3 its top code for NaN.
  const int top = (1 << exponent_width) - 1 - bias - (exponent_width >= 5 ? 1 : 0);
  float largest = power_of_two(top) * (2.0f - power_of_two(-fraction));
  if (exponent_width == 4 && fraction == 3) largest = 448.0f;
  return {exponent_width, fraction + 2, top, largest};
}

float quantize_element(const ElementOptions& o, float x) {
  if (!std::isfinite(x)) return x;
  const int width = o.element.exponent_width;
  const int smallest = width > 0 ? 2 - (1 << (width - 1)) : 0;
  const float steps = power_of_two(o.element.bits - 2);
  if (width > 0 && !o.subnormals && std::fabs(x) < power_of_two(smallest)) x = 0.0f;
  float r = 0;
  if (width == 0) {
    r = mase::sign(x) * round_magnitude(x * steps, o.round) / steps;
  } else {
    const float power = power_of_two(std::max(x == 0 ? 0 : floor_log2(std::fabs(x)), smallest));
    r = mase::sign(x) * round_magnitude(x / power * steps, o.round) / steps * power;
  }
  if (o.saturate || width == 0) return mase::clamp(r, -o.element.largest, o.element.largest);
  return std::fabs(r) > o.element.largest ? std::copysign(std::numeric_limits<float>::infinity(), r)
                                          : r;
}

std::unique_ptr<const Quantizer> make_block_quantizer(const BlockOptions& o) {
  const Element& element = o.element.element;
  const double share = static_cast<double>(o.scale_bits) /
                       static_cast<double>(std::max<std::int64_t>(o.block_size, 1));
  // Of a matrix; blocks end with the axis.
  const std::int64_t row_run = o.axis == -1 || o.axis == 1 ? 1 : 0;
  return std::make_unique<TensorRule>(
      o.format, "microxcaling",
      element.exponent_width + element.bits - (element.exponent_width > 0 ? 1 : 0) + share, row_run,
      [o](const Tensor& x) {
        return along_axis(x, o.axis, [&](float* numbers, std::int64_t count, std::int64_t length) {
          const std::int64_t block = o.block_size == 0 ? length : o.block_size;
          for (std::int64_t row = 0; row < count; row += length)
            for (std::int64_t i = 0; i < length; i += block)
              quantize_block(o, numbers + row + i, std::min(block, length - i));
        });
      });
}

}  // namespace hone::microxcaling
