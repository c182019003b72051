// Convolution of each channel by itself: vectors of channels, one place after the other.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/conv_depthwise.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include <algorithm>

#include "hone/backend/cpu/detail/conv-inl.hpp"
#include "hone/backend/cpu/detail/conv.hpp"
#include "hone/backend/kernel.hpp"
#include "hone/core/threads.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// One place: `Vectors` vectors of channels from c on, `count` channels in the last one.
template <int Vectors>
HWY_INLINE void depthwise_place(const ConvSizes& s, const KernelCall& call, const float* image,
                                std::int64_t oh, std::int64_t ow, std::int64_t place,
                                std::int64_t c, std::size_t count) {
  const F32 d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto mask = hn::FirstN(d, count);
  const bool whole = static_cast<std::int64_t>(count) == lanes;
  const auto load = [&](const float* at, int j) {
    return j + 1 == Vectors && !whole ? masked_load(mask, d, at + j * lanes)
                                      : hn::LoadU(d, at + j * lanes);
  };
  VecF sum[Vectors];
  HONE_UNROLL
  for (int j = 0; j < Vectors; ++j) {
    sum[j] = call.has(2) ? load(call.in(2).as() + c, j) : hn::Zero(d);
    if (call.has(3)) sum[j] = hn::Add(sum[j], load(call.in(3).as() + place * s.channels + c, j));
  }
  const float* w = call.in(1).as() + c;
  for (std::int64_t r = 0; r < s.kernel_height; ++r) {
    const std::int64_t h = oh * s.stride_h - s.before_h + r * s.dilation_h;
    if (h < 0 || h >= s.height) continue;
    for (std::int64_t k = 0; k < s.kernel_width; ++k) {
      const std::int64_t v = ow * s.stride_w - s.before_w + k * s.dilation_w;
      if (v < 0 || v >= s.width) continue;
      const float* x = image + (h * s.width + v) * s.channels + c;
      const float* tap = w + (r * s.kernel_width + k) * s.channels;
      HONE_UNROLL
      for (int j = 0; j < Vectors; ++j) sum[j] = hn::MulAdd(load(x, j), load(tap, j), sum[j]);
    }
  }
  float* y = call.out(0).as() + place * s.channels + c;
  HONE_UNROLL
  for (int j = 0; j < Vectors; ++j) {
    if (s.relu) sum[j] = relu_below(sum[j], hn::Set(d, s.high));
    if (j + 1 == Vectors && !whole)
      blended_store(sum[j], mask, d, y + j * lanes);
    else
      hn::StoreU(sum[j], d, y + j * lanes);
  }
}

void conv_depthwise(const KernelCall& call) {
  const ConvSizes s = conv_sizes(call);
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(F32()));
  parallel_items(s.images * s.out_height, [&](std::int64_t row, int) {
    const std::int64_t n = row / s.out_height, oh = row % s.out_height;
    const float* image = call.in(0).as() + n * s.height * s.width * s.channels;
    for (std::int64_t ow = 0; ow < s.out_width; ++ow) {
      const std::int64_t place = row * s.out_width + ow;
      std::int64_t c = 0;
      for (; c + 4 * lanes <= s.channels; c += 4 * lanes)
        depthwise_place<4>(s, call, image, oh, ow, place, c, static_cast<std::size_t>(lanes));
      for (; c < s.channels; c += lanes)
        depthwise_place<1>(s, call, image, oh, ow, place, c,
                           static_cast<std::size_t>(std::min(lanes, s.channels - c)));
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(conv_depthwise);

Kernel cpu_kernel_conv_depthwise() {
  Kernel kernel{{"cpu.conv_depthwise", "vectors of channels, each by itself"},
                "conv_channels_last",
                RowRule::whole,
                20};
  kernel.refuse = [](const KernelQuery& query) -> std::string {
    return is_depthwise(conv_sizes(query)) ? "" : "channels are summed up";
  };
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(conv_depthwise)(call); };
  return kernel;
}

}  // namespace hone
#endif
