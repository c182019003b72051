// The sizes of one convolution over planes, as the kernels of conv_channels_last read them.
#pragma once

#include <cstdint>
#include <limits>

#include "hone/backend/kernel.hpp"
#include "hone/ops/detail/window.hpp"

namespace hone {

struct ConvSizes {
  std::int64_t images, height, width, channels;  // of x; channels of all groups
  std::int64_t out_height, out_width, filters;   // of y
  std::int64_t kernel_height, kernel_width;
  std::int64_t stride_h, stride_w, before_h, before_w, dilation_h, dilation_w;
  std::int64_t groups;
  bool relu;
  float high;  // with relu: the largest result

  std::int64_t taps() const { return kernel_height * kernel_width; }
  std::int64_t places() const { return images * out_height * out_width; }
  std::int64_t group_channels() const { return channels / groups; }
  std::int64_t group_filters() const { return filters / groups; }
};

// The largest float32 means that there is no bound.
inline float largest_result(double high) {
  constexpr float largest = std::numeric_limits<float>::max();
  return high < largest ? static_cast<float>(high) : std::numeric_limits<float>::infinity();
}

inline ConvSizes conv_sizes(const Options& attributes, const std::int64_t* x, const std::int64_t* w,
                            const std::int64_t* y) {
  const Window window = window_of(attributes, {w[0], w[1]}, "conv_channels_last");
  return {x[0],
          x[1],
          x[2],
          x[3],
          y[1],
          y[2],
          y[3],
          w[0],
          w[1],
          window.strides[0],
          window.strides[1],
          window.before[0],
          window.before[1],
          window.dilations[0],
          window.dilations[1],
          attributes.integer("groups"),
          attributes.boolean("relu"),
          largest_result(attributes.real("high"))};
}
inline ConvSizes conv_sizes(const KernelQuery& query) {
  return conv_sizes(query.node.attributes, query.input_shape(0).data(), query.input_shape(1).data(),
                    query.output_shape(0).data());
}

// What a kernel reads from a call: sizes of the plan may be larger than those of the run.
inline ConvSizes conv_sizes(const KernelCall& call) {
  return conv_sizes(*call.attributes, call.in(0).dims.data(), call.in(1).dims.data(),
                    call.out(0).dims.data());
}

// Of the convolution whose gradients are asked for.
inline ConvSizes conv_grad_sizes(const Options& attributes, const std::int64_t* x,
                                 const std::int64_t* w, const std::int64_t* y) {
  Options given = attributes;
  given.set("relu", false);
  given.set("high", 0.0);
  return conv_sizes(given, x, w, y);
}
// Of conv_channels_last_grad_weight: x and dy, to dw.
inline ConvSizes conv_grad_weight_sizes(const KernelQuery& query) {
  return conv_grad_sizes(query.node.attributes, query.input_shape(0).data(),
                         query.output_shape(0).data(), query.input_shape(1).data());
}
inline ConvSizes conv_grad_weight_sizes(const KernelCall& call) {
  return conv_grad_sizes(*call.attributes, call.in(0).dims.data(), call.out(0).dims.data(),
                         call.in(1).dims.data());
}
// Of conv_channels_last_grad_input: dy and w, to dx.
inline ConvSizes conv_grad_input_sizes(const KernelQuery& query) {
  return conv_grad_sizes(query.node.attributes, query.output_shape(0).data(),
                         query.input_shape(1).data(), query.input_shape(0).data());
}
inline ConvSizes conv_grad_input_sizes(const KernelCall& call) {
  return conv_grad_sizes(*call.attributes, call.out(0).dims.data(), call.in(1).dims.data(),
                         call.in(0).dims.data());
}

inline bool is_depthwise(const ConvSizes& sizes) {
  return sizes.groups > 1 && sizes.group_channels() == 1 && sizes.group_filters() == 1;
}

}  // namespace hone
