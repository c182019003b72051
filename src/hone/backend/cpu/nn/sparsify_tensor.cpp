#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/sparsify_tensor.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <vector>

#include "hone/backend/cpu/detail/select-inl.hpp"
#include "hone/backend/kernel.hpp"
#include "hone/core/philox-inl.hpp"
#include "hone/core/threads.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

constexpr std::int64_t chunk = 1 << 14;

// Magnitudes are first sorted into bins by their exponent and three bits more.
constexpr int bin_shift = 20;
constexpr std::size_t bin_count = std::size_t{1} << (31 - bin_shift);
constexpr std::size_t first_bin_of_nan = 0x7f800000u >> bin_shift;
using Bins = std::array<std::int64_t, bin_count>;

void count_bins(const float* x, std::int64_t n, Bins& bins) {
  // Two counters a bin: runs of equal numbers do not wait for each other.
  std::array<std::array<std::int32_t, bin_count>, 2> counts{};
  for (std::int64_t i = 0; i < n; ++i)
    ++counts[static_cast<std::size_t>(i & 1)]
            [static_cast<std::size_t>(magnitude_bits(x[i]) >> bin_shift)];
  for (std::size_t b = 0; b < bin_count; ++b) bins[b] += counts[0][b] + counts[1][b];
}

// Appends the bits of the magnitudes in [low, high].
void collect(const float* x, std::int64_t n, std::int32_t low, std::int32_t high,
             std::vector<std::int32_t>& out) {
  const hn::ScalableTag<std::int32_t> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto* bits = reinterpret_cast<const std::int32_t*>(x);
  const auto sign = hn::Set(d, 0x7fffffff);
  HWY_ALIGN std::int32_t found[hn::MaxLanes(d)];
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto v = hn::And(hn::LoadU(d, bits + i), sign);
    const auto inside = hn::AndNot(hn::Gt(v, hn::Set(d, high)), hn::Gt(v, hn::Set(d, low - 1)));
    if (hn::AllFalse(d, inside)) continue;
    const std::size_t count = hn::CompressStore(v, inside, d, found);
    out.insert(out.end(), found, found + count);
  }
  for (; i < n; ++i) {
    const std::int32_t v = magnitude_bits(x[i]);
    if (v >= low && v <= high) out.push_back(v);
  }
}

// The magnitudes of two neighbouring ranks (from 0) among n > 0 numbers, as bits.
struct Neighbours {
  std::int32_t low, high;
  bool has_nan;
};
Neighbours find_neighbours(const float* x, std::int64_t n, std::int64_t low_rank,
                           std::int64_t high_rank) {
  const std::int64_t chunks = (n + chunk - 1) / chunk;
  const auto length = [&](std::int64_t c) { return std::min(chunk, n - c * chunk); };
  const auto threads = static_cast<std::size_t>(thread_count());
  std::vector<Bins> parts(threads);
  parallel_items(chunks, [&](std::int64_t c, int thread) {
    count_bins(x + c * chunk, length(c), parts[static_cast<std::size_t>(thread)]);
  });
  Bins bins{};
  for (const Bins& part : parts)
    for (std::size_t b = 0; b < bin_count; ++b) bins[b] += part[b];
  const auto bin_of = [&](std::int64_t rank) {
    std::size_t b = 0;
    for (std::int64_t below = bins[0]; below <= rank; below += bins[b]) ++b;
    return b;
  };
  const std::size_t first = bin_of(low_rank);
  const std::size_t last = bin_of(high_rank);
  const auto from = static_cast<std::int32_t>(first << bin_shift);
  const auto to = static_cast<std::int32_t>(((last + 1) << bin_shift) - 1);
  std::vector<std::vector<std::int32_t>> found(threads);
  std::atomic<std::int64_t> nans{0};
  const bool may_have_nan = std::any_of(bins.begin() + first_bin_of_nan, bins.end(),
                                        [](std::int64_t count) { return count > 0; });
  parallel_items(chunks, [&](std::int64_t c, int thread) {
    collect(x + c * chunk, length(c), from, to, found[static_cast<std::size_t>(thread)]);
    if (may_have_nan) nans += length(c) - count_below(x + c * chunk, length(c), 0x7f800001);
  });
  std::vector<std::int32_t>& all = found.front();
  for (std::size_t t = 1; t < threads; ++t) all.insert(all.end(), found[t].begin(), found[t].end());
  std::int64_t below = 0;
  for (std::size_t b = 0; b < first; ++b) below += bins[b];
  const auto at = all.begin() + (low_rank - below);
  std::nth_element(all.begin(), at, all.end());
  const std::int32_t low = *at;
  const std::int32_t high = high_rank > low_rank ? *std::min_element(at + 1, all.end()) : low;
  return {low, high, nans > 0};
}

// The first 32-bit word that is kept: the smallest w with (w + 0.5) / 2^32 >= sparsity; 2^32: none.
std::uint64_t first_kept(double sparsity) {
  auto word = static_cast<std::uint64_t>(std::clamp(sparsity * 0x1p32 - 2, 0.0, 0x1p32));
  while (word < std::uint64_t{1} << 32 && (static_cast<double>(word) + 0.5) * 0x1p-32 < sparsity)
    ++word;
  return word;
}

// Numbers from `first` (a multiple of `chunk`) on, drawn as sparsity/detail/mase.cpp draws them.
void keep_drawn(const float* x, float* y, std::uint8_t* keep, std::int64_t first, std::int64_t n,
                std::uint64_t kept_from, std::uint32_t stream) {
  const hn::ScalableTag<std::int32_t> d;
  const U32 du;
  const F32 df;
  const hn::Rebind<std::uint8_t, F32> d8;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  HWY_ALIGN std::uint32_t words[4 * hn::MaxLanes(du)];
  HWY_ALIGN float values[4 * hn::MaxLanes(df)] = {};
  HWY_ALIGN std::uint8_t kept[4 * hn::MaxLanes(df)];
  // No word is as large as 2^32. Signed comparisons: both sides are shifted by 2^31.
  const auto lowest = hn::Set(d, INT32_MIN);
  const auto limit =
      hn::Set(d, static_cast<std::int32_t>(static_cast<std::uint32_t>(kept_from) ^ 0x80000000u));
  const auto one = hn::Set(d, kept_from >> 32 != 0 ? 0 : 1);
  const auto nothing = hn::Zero(d);
  for (std::int64_t i = 0; i < n; i += 4 * lanes) {
    // A chunk is a power of two: the counters of a vector have the same upper half.
    const auto index = static_cast<std::uint64_t>(first + i) / 4;
    const PhiloxVectors block =
        philox_vectors<philox_rounds>(static_cast<std::uint32_t>(index),
                                      static_cast<std::uint32_t>(index >> 32), stream, 0, 0, 0);
    hn::StoreInterleaved4(block.word[0], block.word[1], block.word[2], block.word[3], du, words);
    const std::int64_t count = std::min(4 * lanes, n - i);
    const bool whole = count == 4 * lanes;
    if (!whole) std::copy_n(x + i, count, values);
    const float* from = whole ? x + i : values;
    float* to = whole ? y + i : values;
    std::uint8_t* mask = whole ? keep + i : kept;
    for (std::int64_t j = 0; j < 4 * lanes; j += lanes) {
      const auto word = hn::Xor(hn::BitCast(d, hn::Load(du, words + j)), lowest);
      const auto flag = hn::IfThenElse(hn::Lt(word, limit), nothing, one);
      const auto passes = hn::Gt(flag, nothing);
      hn::StoreU(hn::IfThenElseZero(hn::RebindMask(df, passes), hn::LoadU(df, from + j)), df,
                 to + j);
      hn::StoreU(hn::DemoteTo(d8, flag), d8, mask + j);
    }
    if (whole) continue;
    std::copy_n(values, count, y + i);
    std::copy_n(kept, count, keep + i);
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
    const std::uint64_t kept_from = first_kept(call.attributes->real_or("sparsity", 0));
    parallel_items(chunks, [&](std::int64_t c, int) {
      keep_drawn(x + c * chunk, y + c * chunk, keep + c * chunk, c * chunk, length(c), kept_from,
                 static_cast<std::uint32_t>(call.attributes->integer_or("stream", 0)));
    });
    return;
  }
  // The quantile as sparsity/detail/mase.cpp defines it.
  const auto sparsity = static_cast<float>(call.attributes->real_or("sparsity", 0));
  const float rank = sparsity * static_cast<float>(n - 1);
  const std::int64_t low_rank = std::min(static_cast<std::int64_t>(std::floor(rank)), n - 1);
  const std::int64_t high_rank = std::min(static_cast<std::int64_t>(std::ceil(rank)), n - 1);
  const Neighbours found = find_neighbours(x, n, low_rank, high_rank);
  const float a = from_bits(found.low);
  const float b = from_bits(found.high);
  const float weight = rank - std::floor(rank);
  // (The product must not be fused with the sum: the definition rounds it.)
  volatile float part = weight < 0.5f ? weight * (b - a) : (b - a) * (1.0f - weight);
  const float threshold = weight < 0.5f ? a + part : b - part;
  const bool has_nan = found.has_nan || std::isnan(threshold);
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
  Kernel kernel{{"cpu.sparsify_tensor", "bins of the magnitudes' bits, all threads"},
                "sparsify_tensor",
                RowRule::whole,
                10};
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_sparsify_tensor)(call); };
  return kernel;
}

}  // namespace hone
#endif
