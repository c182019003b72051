// Attributes of ONNX's windows: of convolutions and pooling.
#pragma once

#include <vector>

#include "hone/frontends/onnx/onnx_call.hpp"

namespace hone {

struct OnnxWindow {
  std::vector<std::int64_t> kernel, strides, dilations;
  std::vector<std::int64_t> pads;  // before each dimension, then behind each

  // Those of hone's ops: strides, dilations, pads.
  Options attributes() const;
};

// Strides, dilations and pads as they are written, for a kernel over the last dimensions of input
// 0, checked against it. Throws Error(bad_format).
OnnxWindow onnx_window(OnnxCall& call, const std::vector<std::int64_t>& kernel);
// The same, with the pads that auto_pad means. Throws Error(unsupported) where they follow from
// sizes that only a run knows.
OnnxWindow onnx_padded_window(OnnxCall& call, const std::vector<std::int64_t>& kernel);
// Sizes of the kernel that input i holds, checked against the attribute kernel_shape.
std::vector<std::int64_t> onnx_kernel(OnnxCall& call, std::size_t i);
// Of the op `conv` with the weight in input i.
Options onnx_conv_attributes(OnnxCall& call, std::size_t i);

}  // namespace hone
