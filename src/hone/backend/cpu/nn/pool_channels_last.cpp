// Windows over planes whose channels lie together: vectors of channels.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/pool_channels_last.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include <algorithm>
#include <limits>

#include "hone/backend/kernel.hpp"
#include "hone/core/threads.hpp"
#include "hone/core/vectors-inl.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/ops/detail/window.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

void pool_channels_last(const KernelCall& call) {
  const Window window =
      window_of(*call.attributes, integers_of(*call.attributes, "kernel"), "pool_channels_last");
  const bool largest = call.attributes->text("kind") == "max";
  const bool pads = call.attributes->boolean("count_pads");
  const TensorView &x = call.in(0), &y = call.out(0);
  const std::int64_t height = x.dims[1], width = x.dims[2], channels = x.dims[3];
  const F32 d;
  // The places of a window along one dimension: inside, and how many lie inside or in pads.
  struct Reach {
    std::int64_t first, end, padded;
  };
  const auto reach = [&](std::size_t dimension, std::int64_t at, std::int64_t size) {
    Reach found{window.kernel[dimension], 0, 0};
    for (std::int64_t k = 0; k < window.kernel[dimension]; ++k) {
      const std::int64_t place = window_place(window, dimension, at, k);
      if (place < size + window.after[dimension]) ++found.padded;
      if (place < 0 || place >= size) continue;
      found.first = std::min(found.first, k);
      found.end = k + 1;
    }
    return found;
  };
  parallel_items(y.dims[0] * y.dims[1], [&](std::int64_t row, int) {
    const std::int64_t oh = row % y.dims[1];
    const float* image = x.as() + row / y.dims[1] * height * width * channels;
    const Reach rows = reach(0, oh, height);
    for (std::int64_t ow = 0; ow < y.dims[2]; ++ow) {
      const Reach columns = reach(1, ow, width);
      const std::int64_t inside = std::max<std::int64_t>(0, rows.end - rows.first) *
                                  std::max<std::int64_t>(0, columns.end - columns.first);
      const std::int64_t count = pads ? rows.padded * columns.padded : inside;
      const float share = count == 0 ? 0.0f : static_cast<float>(1.0 / static_cast<double>(count));
      float* out = y.as() + (row * y.dims[2] + ow) * channels;
      const auto window_at = [&](std::int64_t c, const auto& load) {
        VecF result = hn::Set(d, largest ? -std::numeric_limits<float>::infinity() : 0.0f);
        for (std::int64_t r = rows.first; r < rows.end; ++r)
          for (std::int64_t k = columns.first; k < columns.end; ++k) {
            const std::int64_t h = window_place(window, 0, oh, r);
            const std::int64_t w = window_place(window, 1, ow, k);
            const VecF v = load(image + (h * width + w) * channels + c);
            // (Nothing is greater than a NaN that was taken.)
            if (largest)
              result = hn::IfThenElse(hn::Or(hn::Gt(v, result), hn::IsNaN(v)), v, result);
            else
              result = hn::Add(result, v);
          }
        return largest ? result : hn::Mul(result, hn::Set(d, share));
      };
      for_vectors(
          channels,
          [&](std::int64_t c) {
            hn::StoreU(window_at(c, [&](const float* at) { return hn::LoadU(d, at); }), d, out + c);
          },
          [&](std::int64_t c, std::size_t left) {
            const auto mask = hn::FirstN(d, left);
            blended_store(window_at(c, [&](const float* at) { return masked_load(mask, d, at); }),
                          mask, d, out + c);
          });
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(pool_channels_last);

Kernel cpu_kernel_pool_channels_last() {
  Kernel kernel{{"cpu.pool_channels_last", "vectors of channels, window by window"},
                "pool_channels_last",
                RowRule::whole,
                10};
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(pool_channels_last)(call); };
  return kernel;
}

}  // namespace hone
#endif
