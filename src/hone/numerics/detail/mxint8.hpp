// MXINT8 as stored by others: bytes with six fraction bits and one power of two a group. The codes
// of three encoders, and the two readings of codes that no encoder writes.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "hone/core/tensor.hpp"

namespace hone {

enum class MxInt8Encoder {
  mase,         // rounds to bfloat16 first, makes its subnormal numbers zero
  ocp,          // from the float32, ties to even
  microxcaling  // from the float32, ties away from zero
};
enum class MxInt8Decoder { mase, ocp };

struct MxInt8 {
  std::vector<std::int8_t> codes;
  std::vector<std::uint8_t> scales;  // exponent + 127; 255: the group had an infinity or NaN
};

// Throw Error(invalid_argument) unless `group` is positive and divides the count.
MxInt8 encode_mxint8(std::span<const float> x, std::int64_t group, MxInt8Encoder encoder);
// Bits of bfloat16.
std::vector<std::uint16_t> decode_mxint8(std::span<const std::int8_t> codes,
                                         std::span<const std::uint8_t> scales, std::int64_t group,
                                         MxInt8Decoder decoder);

// One file of MXINT8 vectors (kinds "encode", "decode", "linear"): everything that it expects,
// computed from its inputs, under the names it has them by.
std::map<std::string, Tensor> run_mxint8_case(const std::string& kind, std::int64_t group,
                                              const std::map<std::string, Tensor>& inputs);

}  // namespace hone
