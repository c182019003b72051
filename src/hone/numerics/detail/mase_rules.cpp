#include "hone/numerics/detail/mase_rules.hpp"

namespace hone::mase {

float ElementCode::value(float t) const {
  const auto bits = std::bit_cast<std::uint32_t>(t);
  const int code_top = (1 << exponent_width) - 1;
  const int largest = finite ? code_top : code_top - 1;
  const std::uint32_t raw = bits >> 23 & 0xFFu;
  const std::uint32_t z = bits & 0x007FFFFFu;
  const std::uint32_t implied = 1u << fraction;
  const bool negative = t < 0;
  int exponent = 0;
  std::uint32_t f = 0;
  if (raw == 255 && !finite) {
    exponent = code_top;
    f = z != 0 ? implied - 1 : 0;
  } else if (raw != 0) {
    exponent = static_cast<int>(raw) - 127 + bias();
    const std::uint32_t kept = z >> 8;
    const int drop = 15 - fraction;
    if (rounding == CodeRounding::zero) {
      f = z >> (23 - fraction);
    } else {
      const float quotient = static_cast<float>(kept) / power_of_two(drop);
      const float rounded = rounding == CodeRounding::nearest ? std::nearbyint(quotient)
                            : rounding == CodeRounding::up    ? std::ceil(quotient)
                                                              : std::floor(quotient);
      f = static_cast<std::uint32_t>(rounded);
    }
    if (exponent == 0 && f != 0) f = (f | implied) >> 1;
    if (exponent < 0) {
      exponent = 0;
      f = 0;
    } else if (exponent > largest) {
      exponent = largest;
      f = implied - 1;
    }
  }
  // OR, not +: where f carried, an odd exponent loses the carry.
  const std::uint32_t code = (static_cast<std::uint32_t>(exponent) << fraction) | f;
  exponent = static_cast<int>(code >> fraction);
  f = code & (implied - 1);
  if (!finite && exponent == code_top) {
    if (f != 0) return std::nanf("");
    return std::copysign(power_of_two(128), t);
  }
  const float part = static_cast<float>(f) / static_cast<float>(implied);
  const float magnitude = exponent == 0 ? power_of_two(1 - bias()) * part
                                        : power_of_two(exponent - bias()) * (1.0f + part);
  return negative ? -magnitude : magnitude;
}

}  // namespace hone::mase
