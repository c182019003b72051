#include "hone/numerics/detail/quantizers.hpp"

#include <algorithm>
#include <cstring>

namespace hone {

MatrixView matrix_view(const Shape& shape) {
  if (shape.empty()) return {1, 1};
  const std::int64_t columns = shape.back();
  return {columns == 0 ? 0 : element_count(shape) / columns, columns};
}

MatrixView packed_view(const PackedTensor& packed) {
  try {
    return matrix_view(packed.shape);
  } catch (const Error& error) {
    throw Error(ErrorCode::bad_format, error.message());
  }
}

void refuse_shorter_blocks(std::int64_t rows, std::int64_t columns, BlockShape block) {
  if (rows % block.rows != 0)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("block_size = {},{} does not divide {} rows, and tail = error",
                            block.rows, block.columns, rows),
                "choose another block_size, or tail = pad");
  if (columns % block.columns != 0)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("block_size = {} does not divide {} columns, and tail = error",
                            block.columns, columns),
                "choose another block_size, or tail = pad");
}

void unpack_bytes(const PackedTensor& packed, bool is_signed, std::int64_t first, std::int64_t n,
                  std::int8_t* codes) {
  if (n == 0) return;
  const auto* bytes = packed.codes.as<std::byte>();
  if (packed.code_bits == 8) {
    std::memcpy(codes, bytes + first, static_cast<std::size_t>(n));
    return;
  }
  BitReader reader(bytes, packed.code_bits, first);
  const std::uint32_t sign = is_signed ? 1u << (packed.code_bits - 1) : 0u;
  for (std::int64_t i = 0; i < n; ++i)
    codes[i] = static_cast<std::int8_t>(static_cast<std::int32_t>(reader.get() ^ sign) -
                                        static_cast<std::int32_t>(sign));
}

void refuse_nan(const Tensor& x) {
  const float* values = x.as<float>();
  for (std::int64_t i = 0; i < x.size(); ++i)
    if (std::isnan(values[i]))
      throw Error(
          ErrorCode::numeric,
          fmt::format("element {} of {} is NaN: no code stands for it", i, to_string(x.shape())),
          "train again from a checkpoint whose loss was finite");
}

Tensor code_tensor(const std::vector<std::byte>& codes) {
  Tensor tensor(DType::u8, {static_cast<std::int64_t>(codes.size())});
  std::copy(codes.begin(), codes.end(), tensor.as<std::byte>());
  return tensor;
}

void check_packed(const PackedTensor& packed, int code_bits, std::int64_t scales,
                  DType scale_type) {
  if (packed.code_bits != code_bits)
    throw Error(ErrorCode::bad_format,
                fmt::format("codes of {} bits, the format has {}", packed.code_bits, code_bits));
  const std::size_t wanted = packed_bytes(element_count(packed.shape), code_bits);
  if (packed.codes.bytes() != wanted)
    throw Error(ErrorCode::bad_format,
                fmt::format("{} bytes of codes, a tensor {} in {} bits has {}",
                            packed.codes.bytes(), to_string(packed.shape), code_bits, wanted));
  const std::int64_t held = packed.scales.empty() ? 0 : packed.scales.size();
  if (held != scales || (scales > 0 && packed.scales.dtype() != scale_type))
    throw Error(ErrorCode::bad_format, fmt::format("{} scales, a tensor {} has {}", held,
                                                   to_string(packed.shape), scales));
}

void check_codes(const PackedTensor& packed,
                 const std::function<bool(std::uint32_t code)>& is_number) {
  const std::int64_t count = element_count(packed.shape);
  const int bits = packed.code_bits;
  const auto refuse = [&](std::int64_t element, std::uint32_t code) {
    throw Error(ErrorCode::bad_format,
                fmt::format("element {}: code {:#x} stands for no number", element, code));
  };
  const auto* bytes = packed.codes.as<std::byte>();
  BitReader reader(bytes, bits);
  if (bits > 16) {
    for (std::int64_t i = 0; i < count; ++i)
      if (const std::uint32_t code = reader.get(); !is_number(code)) refuse(i, code);
    return;
  }
  std::vector<bool> known(std::size_t{1} << bits);
  for (std::size_t code = 0; code < known.size(); ++code)
    known[code] = is_number(static_cast<std::uint32_t>(code));
  if (std::find(known.begin(), known.end(), false) == known.end()) return;
  if (bits == 8) {
    // Few codes are none: each is searched for.
    const auto size = static_cast<std::size_t>(count);
    for (std::uint32_t code = 0; code < known.size(); ++code)
      if (!known[code])
        if (const void* at = std::memchr(bytes, static_cast<int>(code), size); at != nullptr)
          refuse(static_cast<const std::byte*>(at) - bytes, code);
    return;
  }
  for (std::int64_t i = 0; i < count; ++i)
    if (const std::uint32_t code = reader.get(); !known[code]) refuse(i, code);
}

}  // namespace hone
