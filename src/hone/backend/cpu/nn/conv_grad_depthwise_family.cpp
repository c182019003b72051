// Gradients of depthwise convolutions over planes whose channels lie together: vectors of channels.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/conv_grad_depthwise_family.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include <algorithm>
#include <vector>

#include "hone/backend/cpu/detail/conv.hpp"
#include "hone/backend/kernel.hpp"
#include "hone/core/threads.hpp"
#include "hone/core/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// sum += a b over a row of channels.
HWY_INLINE void add_product_of_channels(const float* a, const float* b, float* sum,
                                        std::int64_t channels) {
  const F32 d;
  for_vectors(
      channels,
      [&](std::int64_t c) {
        hn::StoreU(hn::MulAdd(hn::LoadU(d, a + c), hn::LoadU(d, b + c), hn::LoadU(d, sum + c)), d,
                   sum + c);
      },
      [&](std::int64_t c, std::size_t left) {
        const auto mask = hn::FirstN(d, left);
        blended_store(hn::MulAdd(masked_load(mask, d, a + c), masked_load(mask, d, b + c),
                                 masked_load(mask, d, sum + c)),
                      mask, d, sum + c);
      });
}

// Line h of dx of image n: what the taps that read there give back.
void depthwise_input_line(const ConvSizes& s, const float* dy, const float* w, std::int64_t n,
                          std::int64_t h, float* dx) {
  std::fill(dx, dx + s.width * s.channels, 0.0f);
  for (std::int64_t r = 0; r < s.kernel_height; ++r) {
    const std::int64_t up = h + s.before_h - r * s.dilation_h, oh = up / s.stride_h;
    if (up < 0 || up % s.stride_h != 0 || oh >= s.out_height) continue;
    const float* line = dy + (n * s.out_height + oh) * s.out_width * s.channels;
    for (std::int64_t k = 0; k < s.kernel_width; ++k)
      for (std::int64_t o = 0; o < s.out_width; ++o) {
        const std::int64_t column = o * s.stride_w - s.before_w + k * s.dilation_w;
        if (column < 0 || column >= s.width) continue;
        add_product_of_channels(line + o * s.channels, w + (r * s.kernel_width + k) * s.channels,
                                dx + column * s.channels, s.channels);
      }
  }
}

// sums [taps, channels] += what line oh of dy of image n gives.
void depthwise_weight_line(const ConvSizes& s, const float* x, const float* dy, std::int64_t n,
                           std::int64_t oh, float* sums) {
  const float* line = dy + (n * s.out_height + oh) * s.out_width * s.channels;
  for (std::int64_t r = 0; r < s.kernel_height; ++r) {
    const std::int64_t h = oh * s.stride_h - s.before_h + r * s.dilation_h;
    if (h < 0 || h >= s.height) continue;
    const float* row = x + (n * s.height + h) * s.width * s.channels;
    for (std::int64_t k = 0; k < s.kernel_width; ++k)
      for (std::int64_t o = 0; o < s.out_width; ++o) {
        const std::int64_t column = o * s.stride_w - s.before_w + k * s.dilation_w;
        if (column < 0 || column >= s.width) continue;
        add_product_of_channels(row + column * s.channels, line + o * s.channels,
                                sums + (r * s.kernel_width + k) * s.channels, s.channels);
      }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
namespace {

HWY_EXPORT(depthwise_input_line);
HWY_EXPORT(depthwise_weight_line);

void run_input(const KernelCall& call) {
  const ConvSizes s = conv_grad_input_sizes(call);
  parallel_items(s.images * s.height, [&](std::int64_t i, int) {
    HWY_DYNAMIC_DISPATCH(depthwise_input_line)
    (s, call.in(0).as(), call.in(1).as(), i / s.height, i % s.height,
     call.out(0).as() + i * s.width * s.channels);
  });
}

void run_weight(const KernelCall& call) {
  const ConvSizes s = conv_grad_weight_sizes(call);
  const auto size = static_cast<std::size_t>(call.out(0).size());
  const auto threads = static_cast<std::size_t>(thread_count());
  std::vector<float> partial(threads * size);
  // Sums of one image in float32; those of images would lose digits.
  std::vector<double> sums(threads * size);
  parallel_ranges(s.images, [&](std::int64_t begin, std::int64_t end, int range) {
    float* own = partial.data() + static_cast<std::size_t>(range) * size;
    double* total = sums.data() + static_cast<std::size_t>(range) * size;
    for (std::int64_t n = begin; n < end; ++n) {
      std::fill(own, own + size, 0.0f);
      for (std::int64_t oh = 0; oh < s.out_height; ++oh) HWY_DYNAMIC_DISPATCH(depthwise_weight_line)
      (s, call.in(0).as(), call.in(1).as(), n, oh, own);
      for (std::size_t i = 0; i < size; ++i) total[i] += own[i];
    }
  });
  for (std::size_t i = 0; i < size; ++i) {
    double sum = 0;
    for (std::size_t t = 0; t < threads; ++t) sum += sums[t * size + i];
    call.out(0).as()[i] = static_cast<float>(sum);
  }
}

std::string refuse_weight(const KernelQuery& query) {
  return is_depthwise(conv_grad_weight_sizes(query)) ? "" : "channels meet others";
}
std::string refuse_input(const KernelQuery& query) {
  return is_depthwise(conv_grad_input_sizes(query)) ? "" : "channels meet others";
}

}  // namespace

std::vector<Kernel> cpu_kernel_conv_grad_depthwise_family() {
  Kernel weight{{"cpu.conv_grad_weight_depthwise", "vectors of channels, line by line"},
                "conv_channels_last_grad_weight",
                RowRule::whole,
                10};
  weight.refuse = refuse_weight;
  weight.run = run_weight;
  Kernel input{{"cpu.conv_grad_input_depthwise", "vectors of channels, line by line"},
               "conv_channels_last_grad_input",
               RowRule::whole,
               10};
  input.refuse = refuse_input;
  input.run = run_input;
  return {weight, input};
}

}  // namespace hone
#endif
