#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/sparsify_tensor.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include <atomic>
#include <cmath>

#include "hone/backend/cpu/detail/select-inl.hpp"
#include "hone/backend/kernel.hpp"
#include "hone/core/philox.hpp"
#include "hone/core/threads.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

constexpr std::int64_t chunk = 1 << 14;

// The smallest magnitude bits above `limit`.
std::int32_t next_above(const float* x, std::int64_t n, std::int32_t limit) {
  std::int32_t best = 0x7fffffff;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int32_t bits = magnitude_bits(x[i]);
    best = bits > limit && bits < best ? bits : best;
  }
  return best;
}

// Numbers from `first` (a multiple of 4) on, drawn as sparsity/detail/mase.cpp draws them.
void keep_drawn(const float* x, float* y, std::uint8_t* keep, std::int64_t first, std::int64_t n,
                double sparsity, std::uint32_t stream) {
  for (std::int64_t i = 0; i < n; i += 4) {
    const auto index = static_cast<std::uint64_t>(first + i) / 4;
    const PhiloxBlock block = philox(
        {static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32), stream, 0},
        {0, 0});
    for (std::int64_t j = i; j < std::min(i + 4, n); ++j) {
      keep[j] = (block[static_cast<std::size_t>(j - i)] + 0.5) * 0x1p-32 >= sparsity;
      y[j] = keep[j] != 0 ? x[j] : 0.0f;
    }
  }
}

float from_bits(std::int32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

void run_sparsify_tensor(const KernelCall& call) {
  const float* x = call.in(0).as();
  float* y = call.out(0).as();
  auto* keep = call.out(1).as<std::uint8_t>();
  const std::int64_t n = call.in(0).size();
  if (n == 0) return;
  const std::int64_t chunks = (n + chunk - 1) / chunk;
  const auto length = [&](std::int64_t c) { return std::min(chunk, n - c * chunk); };
  if (call.attributes->boolean_or("random", false)) {
    parallel_items(chunks, [&](std::int64_t c, int) {
      keep_drawn(x + c * chunk, y + c * chunk, keep + c * chunk, c * chunk, length(c),
                 call.attributes->real_or("sparsity", 0),
                 static_cast<std::uint32_t>(call.attributes->integer_or("stream", 0)));
    });
    return;
  }
  const auto below = [&](std::int32_t bits) {
    std::atomic<std::int64_t> count{0};
    parallel_items(
        chunks, [&](std::int64_t c, int) { count += count_below(x + c * chunk, length(c), bits); });
    return count.load();
  };
  // The quantile as sparsity/detail/mase.cpp defines it.
  const auto sparsity = static_cast<float>(call.attributes->real_or("sparsity", 0));
  const float rank = sparsity * static_cast<float>(n - 1);
  const std::int64_t low_rank = std::min(static_cast<std::int64_t>(std::floor(rank)), n - 1);
  const std::int64_t high_rank = std::min(static_cast<std::int64_t>(std::ceil(rank)), n - 1);
  const std::int32_t low = kth_magnitude(low_rank + 1, below);
  std::int32_t high = low;
  if (high_rank > low_rank && below(low + 1) <= high_rank) {
    std::atomic<std::int32_t> next{0x7fffffff};
    parallel_items(chunks, [&](std::int64_t c, int) {
      const std::int32_t own = next_above(x + c * chunk, length(c), low);
      std::int32_t seen = next.load();
      while (own < seen && !next.compare_exchange_weak(seen, own)) {
      }
    });
    high = next.load();
  }
  const float a = from_bits(low);
  const float b = from_bits(high);
  const float weight = rank - std::floor(rank);
  // (The product must not be fused with the sum: the definition rounds it.)
  volatile float part = weight < 0.5f ? weight * (b - a) : (b - a) * (1.0f - weight);
  const float threshold = weight < 0.5f ? a + part : b - part;
  const bool has_nan = below(0x7f800001) < n || std::isnan(threshold);
  const std::int32_t limit = has_nan ? 0x7fffffff : magnitude_bits(threshold);
  parallel_items(chunks, [&](std::int64_t c, int) {
    keep_above(x + c * chunk, y + c * chunk, keep + c * chunk, length(c), limit);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_sparsify_tensor);

Kernel cpu_kernel_sparsify_tensor() {
  Kernel kernel{{"cpu.sparsify_tensor", "bisection of the magnitudes' bits, all threads"},
                "sparsify_tensor",
                RowRule::whole,
                10};
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_sparsify_tensor)(call); };
  return kernel;
}

}  // namespace hone
#endif
