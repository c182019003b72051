// Checkpoints that other libraries quantized: their integers and scales become the float32 numbers
// that they stand for, or are refused by the name of their method.
#pragma once

#include "hone/frontends/hugging_face.hpp"

namespace hone {

// The key of config.json that says how another library quantized the weights.
inline constexpr const char* foreign_quantization_key = "quantization_config";

// Looks at the configuration alone, before any weights are read. Throws Error(unsupported) naming
// the method that hone does not compute. `where` is the path of config.json.
void check_foreign_quantization(const Json& config, const std::string& where);

// Turns integer weights with known scales into float32, takes their companions away and the key out
// of the configuration, and adds a note that says so:
//   bitsandbytes       weight i8 [n,k], SCB [n]: weight * SCB / 127
//                      (Dettmers et al., "LLM.int8()", 2022)
//   compressed-tensors weight i8 [n,k], weight_scale [], [1], [n], [n,1] or [n,groups] and
//                      weight_zero_point of that shape or none: (weight - zero point) * scale
// They are known by their tensors, with or without the key. Throws Error(bad_format) for scales
// that do not fit, Error(unsupported) for tensors that mark another method.
void dequantize_foreign(ModelFiles& files);

}  // namespace hone
