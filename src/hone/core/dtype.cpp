#include "hone/core/dtype.hpp"

#include <array>
#include <bit>
#include <string>

#include "hone/core/error.hpp"

namespace hone {
namespace {

struct Info {
  DType dtype;
  std::string_view name;
  std::size_t size;
};

constexpr std::array<Info, 11> infos{{{DType::f32, "f32", 4},
                                      {DType::f64, "f64", 8},
                                      {DType::f16, "f16", 2},
                                      {DType::bf16, "bf16", 2},
                                      {DType::i8, "i8", 1},
                                      {DType::u8, "u8", 1},
                                      {DType::i16, "i16", 2},
                                      {DType::i32, "i32", 4},
                                      {DType::i64, "i64", 8},
                                      {DType::u32, "u32", 4},
                                      {DType::boolean, "bool", 1}}};

}  // namespace

std::size_t size_of(DType dtype) { return infos[static_cast<std::size_t>(dtype)].size; }

std::string_view name_of(DType dtype) { return infos[static_cast<std::size_t>(dtype)].name; }

DType dtype_from_name(std::string_view name) {
  for (const Info& info : infos) {
    if (info.name == name) return info.dtype;
  }
  throw Error(ErrorCode::bad_format, "unknown element type '" + std::string(name) + "'",
              "known types: f32 f64 f16 bf16 i8 u8 i16 i32 i64 u32 bool");
}

float f16_to_f32(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1fu;
  std::uint32_t mantissa = bits & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  // Subnormal: mantissa * 2^-24 is exact in float.
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
}

std::uint16_t f32_to_f16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {
    // Subnormal half: adding 0.5 puts the rounded mantissa in the low bits.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u));
  }
  const std::uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

float bf16_to_f32(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

std::uint16_t f32_to_bf16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace hone
