// Slopes of windows back to their places: vectors of channels, image by image.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/pool_channels_last_grad.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include <algorithm>
#include <vector>

#include "hone/backend/kernel.hpp"
#include "hone/core/threads.hpp"
#include "hone/core/vectors-inl.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/ops/detail/window.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// The places of one window: numbers of x and dx from here on.
struct WindowPlaces {
  std::vector<std::int64_t> inside;
  std::int64_t counted = 0;
};

// `load` and `store` move vectors, or the lanes of a tail.
template <typename Load, typename Store>
HWY_INLINE void give_back(const WindowPlaces& places, bool largest, const float* x, VecF dy,
                          float* dx, const Load& load, const Store& store) {
  const F32 d;
  if (!largest) {
    const VecF part = hn::Div(dy, hn::Set(d, static_cast<float>(places.counted)));
    for (const std::int64_t at : places.inside) store(hn::Add(load(dx + at), part), dx + at);
    return;
  }
  VecF best = load(x + places.inside.front());
  for (const std::int64_t at : places.inside) {
    const VecF v = load(x + at);
    best = hn::IfThenElse(hn::Gt(v, best), v, best);
  }
  auto open = hn::Eq(best, best);
  for (const std::int64_t at : places.inside) {
    const auto taken = hn::And(open, hn::Eq(load(x + at), best));
    store(hn::Add(load(dx + at), hn::IfThenElseZero(taken, dy)), dx + at);
    open = hn::AndNot(taken, open);
  }
}

void pool_channels_last_grad(const KernelCall& call) {
  const Window window =
      window_of(*call.attributes, integers_of(*call.attributes, "kernel"), "pool_channels_last");
  const bool largest = call.attributes->text("kind") == "max";
  const bool pads = call.attributes->boolean("count_pads");
  const TensorView &x = call.in(0), &dy = call.in(1);
  const std::int64_t height = x.dims[1], width = x.dims[2], channels = x.dims[3];
  const F32 d;
  parallel_items(x.dims[0], [&](std::int64_t n, int) {
    const float* from = x.as() + n * height * width * channels;
    float* to = call.out(0).as() + n * height * width * channels;
    std::fill(to, to + height * width * channels, 0.0f);
    WindowPlaces places;
    for (std::int64_t oh = 0; oh < dy.dims[1]; ++oh)
      for (std::int64_t ow = 0; ow < dy.dims[2]; ++ow) {
        places = {};
        for (std::int64_t r = 0; r < window.kernel[0]; ++r)
          for (std::int64_t s = 0; s < window.kernel[1]; ++s) {
            const std::int64_t h = window_place(window, 0, oh, r);
            const std::int64_t w = window_place(window, 1, ow, s);
            const bool inside = h >= 0 && h < height && w >= 0 && w < width;
            if (inside) places.inside.push_back((h * width + w) * channels);
            const bool counts = h < height + window.after[0] && w < width + window.after[1];
            places.counted += (pads ? counts : inside) ? 1 : 0;
          }
        if (places.inside.empty()) continue;
        const float* slope = dy.as() + ((n * dy.dims[1] + oh) * dy.dims[2] + ow) * channels;
        for_vectors(
            channels,
            [&](std::int64_t c) {
              give_back(
                  places, largest, from + c, hn::LoadU(d, slope + c), to + c,
                  [&](const float* at) { return hn::LoadU(d, at); },
                  [&](VecF v, float* at) { hn::StoreU(v, d, at); });
            },
            [&](std::int64_t c, std::size_t left) {
              const auto mask = hn::FirstN(d, left);
              give_back(
                  places, largest, from + c, masked_load(mask, d, slope + c), to + c,
                  [&](const float* at) { return masked_load(mask, d, at); },
                  [&](VecF v, float* at) { blended_store(v, mask, d, at); });
            });
      }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(pool_channels_last_grad);

Kernel cpu_kernel_pool_channels_last_grad() {
  Kernel kernel{{"cpu.pool_channels_last_grad", "vectors of channels, window by window"},
                "pool_channels_last_grad",
                RowRule::whole,
                10};
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(pool_channels_last_grad)(call); };
  return kernel;
}

}  // namespace hone
#endif
