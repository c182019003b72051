// Number formats in ONNX files: as QuantizeLinear and DequantizeLinear, or as the arithmetic that
// they are.
#pragma once

#include <optional>
#include <string>

#include "hone/frontends/onnx/onnx_builder.hpp"

namespace hone {

// A weight as integers and their DequantizeLinear; nothing where it is not rounded. Throws
// Error(unsupported) for a format without a meaning in ONNX.
std::optional<std::string> rounded_weight(OnnxBuilder& builder, ValueId id,
                                          const std::string& name);

// x rounded by the format that a node's attributes name: with builder.qdq() as QuantizeLinear and
// DequantizeLinear. Throws as rounded_weight.
std::string rounded_data(OnnxBuilder& builder, const std::string& x, const ValueType& type,
                         const Options& attributes);

}  // namespace hone
