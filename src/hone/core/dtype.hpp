// Element types of tensors in memory and in files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hone {

enum class DType : std::uint8_t { f32, f64, f16, bf16, i8, u8, i16, i32, i64, u32, boolean };

// Size of one element in bytes.
std::size_t size_of(DType dtype);
// "f32", "bf16", "bool", ... as graph text and messages write it.
std::string_view name_of(DType dtype);
// The inverse of name_of; throws Error(bad_format) for an unknown name.
DType dtype_from_name(std::string_view name);

// IEEE half and bfloat16 as bit patterns; rounding to nearest even, NaN stays NaN.
float f16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_f16(float value);
float bf16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_bf16(float value);

}  // namespace hone
