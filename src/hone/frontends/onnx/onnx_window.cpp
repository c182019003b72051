#include "hone/frontends/onnx/onnx_window.hpp"

#include <algorithm>

#include "hone/graph/dim.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {

Options OnnxWindow::attributes() const {
  return {
      {"strides", to_text(strides)}, {"dilations", to_text(dilations)}, {"pads", to_text(pads)}};
}

OnnxWindow onnx_window(OnnxCall& call, const std::vector<std::int64_t>& kernel) {
  const std::size_t rank = kernel.size();
  if (call.rank(0) != rank + 2) call.fail("its kernel does not fit its dimensions");
  const std::vector<std::int64_t> ones(rank, 1);
  OnnxWindow window{kernel, call.integers("strides", ones), call.integers("dilations", ones),
                    call.integers("pads", std::vector<std::int64_t>(2 * rank, 0))};
  if (window.strides.size() != rank || window.dilations.size() != rank ||
      window.pads.size() != 2 * rank)
    call.fail("its strides, dilations or pads do not fit its dimensions");
  for (std::size_t d = 0; d < rank; ++d)
    if (window.strides[d] < 1 || window.dilations[d] < 1 || kernel[d] < 1)
      call.fail("a stride, dilation or kernel size below 1");
  return window;
}

// As much as gives ceil(size / stride) places, the odd one before or behind.
OnnxWindow onnx_padded_window(OnnxCall& call, const std::vector<std::int64_t>& kernel) {
  OnnxWindow window = onnx_window(call, kernel);
  const std::size_t rank = kernel.size();
  const std::string automatic = call.text("auto_pad", "NOTSET");
  if (automatic == "NOTSET" || automatic.empty()) return window;
  window.pads.assign(2 * rank, 0);
  if (automatic == "VALID") return window;
  if (automatic != "SAME_UPPER" && automatic != "SAME_LOWER")
    call.fail("attribute 'auto_pad' is NOTSET, VALID, SAME_UPPER or SAME_LOWER");
  const std::vector<Dim> x = call.type(0).dims;
  for (std::size_t d = 0; d < rank; ++d) {
    if (!x[d + 2].is_fixed()) call.refuse("auto_pad of a size that only a run knows");
    const std::int64_t size = x[d + 2].offset, stride = window.strides[d];
    const std::int64_t places = (size + stride - 1) / stride;
    const std::int64_t all = std::max<std::int64_t>(
        0, (places - 1) * stride + (kernel[d] - 1) * window.dilations[d] + 1 - size);
    const std::int64_t less = all / 2;
    window.pads[d] = automatic == "SAME_UPPER" ? less : all - less;
    window.pads[d + rank] = all - window.pads[d];
  }
  return window;
}

std::vector<std::int64_t> onnx_kernel(OnnxCall& call, std::size_t i) {
  const std::vector<Dim> w = call.type(i).dims;
  if (w.size() < 3) call.fail("its weight has less than three dimensions");
  std::vector<std::int64_t> kernel;
  for (std::size_t d = 2; d < w.size(); ++d) {
    if (!w[d].is_fixed()) call.refuse("the size of its kernel is not fixed");
    kernel.push_back(w[d].offset);
  }
  if (call.integers("kernel_shape", kernel) != kernel)
    call.fail("attribute 'kernel_shape' is not the shape of its weight");
  return kernel;
}

Options onnx_conv_attributes(OnnxCall& call, std::size_t i) {
  Options attributes = onnx_padded_window(call, onnx_kernel(call, i)).attributes();
  attributes.set("groups", call.integer("group", 1));
  return attributes;
}

}  // namespace hone
