#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/sparsify_tensor.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <optional>
#include <vector>

#include "hone/backend/cpu/detail/select-inl.hpp"
#include "hone/backend/kernel.hpp"
#include "hone/core/philox-inl.hpp"
#include "hone/core/threads.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

constexpr std::int64_t chunk = 1 << 14;

// Magnitudes as bits, from `low` to `high`; of all numbers, NaN too, in `everything`.
struct Window {
  std::int32_t low, high;
};
constexpr Window everything{0, 0x7fffffff};

// What one thread found of a window.
struct Found {
  std::vector<std::int32_t> inside;
  std::int64_t below = 0;
  std::int32_t largest = 0;
};

void collect(const float* x, std::int64_t n, Window window, Found& found) {
  const hn::ScalableTag<std::int32_t> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto* bits = reinterpret_cast<const std::int32_t*>(x);
  const auto sign = hn::Set(d, 0x7fffffff);
  const auto low = hn::Set(d, window.low);
  const auto high = hn::Set(d, window.high);
  auto below = hn::Zero(d);
  auto largest = hn::Zero(d);
  // A block's mask is eight bytes: one loop over its ones, instead of a branch for each vector.
  const std::int64_t per_byte = std::min<std::int64_t>(lanes, 8);
  const std::int64_t block = 8 * per_byte;
  std::array<std::int32_t, 64> inside;
  std::int64_t i = 0;
  for (; i + block <= n; i += block) {
    std::array<std::uint8_t, 8> mask;
    for (std::int64_t j = 0; j < block; j += lanes) {
      const auto v = hn::And(hn::LoadU(d, bits + i + j), sign);
      const auto is_below = hn::Lt(v, low);
      below = hn::Sub(below, hn::VecFromMask(d, is_below));
      largest = hn::Max(largest, v);
      hn::StoreMaskBits(d, hn::Not(hn::Or(is_below, hn::Gt(v, high))), mask.data() + j / per_byte);
    }
    std::uint64_t word = 0;
    for (std::size_t k = 0; k < 8; ++k) word |= std::uint64_t{mask[k]} << (8 * k);
    std::size_t count = 0;
    for (; word != 0; word &= word - 1) {
      const std::int64_t bit = std::countr_zero(word);
      inside[count++] = magnitude_bits(x[i + bit / 8 * per_byte + bit % 8]);
    }
    found.inside.insert(found.inside.end(), inside.begin(),
                        inside.begin() + static_cast<std::ptrdiff_t>(count));
  }
  found.below += hn::GetLane(hn::SumOfLanes(d, below));
  found.largest = std::max(found.largest, hn::GetLane(hn::MaxOfLanes(d, largest)));
  for (; i < n; ++i) {
    const std::int32_t v = magnitude_bits(x[i]);
    found.below += v < window.low ? 1 : 0;
    found.largest = std::max(found.largest, v);
    if (v >= window.low && v <= window.high) found.inside.push_back(v);
  }
}

// Where the ranks `low_rank` and `high_rank` of n numbers are likely to lie: between two numbers of
// a sample, `deviations` standard deviations of a rank to each side.
Window guess_window(const float* x, std::int64_t n, std::int64_t low_rank, std::int64_t high_rank,
                    double deviations) {
  constexpr std::int64_t samples = 4096;
  if (n < 8 * samples) return everything;
  const std::int64_t step = (n / samples - 1) | 1;  // odd: of all columns, however wide a row is
  std::vector<std::int32_t> sample(samples);
  for (std::int64_t i = 0; i < samples; ++i)
    sample[static_cast<std::size_t>(i)] = magnitude_bits(x[i * step]);
  const auto position = [&](std::int64_t rank) {
    return static_cast<double>(rank) / static_cast<double>(n);
  };
  const double middle = position(low_rank);
  const double margin = 2 + deviations * std::sqrt(middle * (1 - middle) * samples);
  const double first = std::floor(middle * samples - margin);
  const double last = std::ceil(position(high_rank) * samples + margin);
  auto from = sample.begin();
  Window window = everything;
  if (first >= 0) {
    const auto at = from + static_cast<std::ptrdiff_t>(first);
    std::nth_element(from, at, sample.end());
    window.low = *at;
    from = at + 1;
  }
  if (last < samples) {
    const auto at = sample.begin() + static_cast<std::ptrdiff_t>(last);
    std::nth_element(from, at, sample.end());
    window.high = *at;
  }
  return window;
}

// The magnitudes of two neighbouring ranks (from 0) among n > 0 numbers, as bits.
struct Neighbours {
  std::int32_t low, high;
  bool has_nan;
};
// Nothing where they do not both lie in the window.
std::optional<Neighbours> find_in_window(const float* x, std::int64_t n, std::int64_t low_rank,
                                         std::int64_t high_rank, Window window) {
  const std::int64_t chunks = (n + chunk - 1) / chunk;
  const auto threads = static_cast<std::size_t>(thread_count());
  std::vector<Found> found(threads);
  parallel_items(chunks, [&](std::int64_t c, int thread) {
    collect(x + c * chunk, std::min(chunk, n - c * chunk), window,
            found[static_cast<std::size_t>(thread)]);
  });
  Found& all = found.front();
  for (std::size_t t = 1; t < threads; ++t) {
    all.inside.insert(all.inside.end(), found[t].inside.begin(), found[t].inside.end());
    all.below += found[t].below;
    all.largest = std::max(all.largest, found[t].largest);
  }
  const auto count = static_cast<std::int64_t>(all.inside.size());
  if (all.below > low_rank || all.below + count <= high_rank) return std::nullopt;
  const auto at = all.inside.begin() + (low_rank - all.below);
  std::nth_element(all.inside.begin(), at, all.inside.end());
  const std::int32_t low = *at;
  const std::int32_t high =
      high_rank > low_rank ? *std::min_element(at + 1, all.inside.end()) : low;
  return Neighbours{low, high, all.largest > 0x7f800000};
}

Neighbours find_neighbours(const float* x, std::int64_t n, std::int64_t low_rank,
                           std::int64_t high_rank) {
  for (const double deviations : {4.0, 32.0}) {
    const Window window = guess_window(x, n, low_rank, high_rank, deviations);
    const auto found = find_in_window(x, n, low_rank, high_rank, window);
    if (found) return *found;
  }
  return find_in_window(x, n, low_rank, high_rank, everything).value();
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
  Kernel kernel{
      {"cpu.sparsify_tensor", "a window guessed from a sample, exact ranks in it, all threads"},
      "sparsify_tensor",
      RowRule::whole,
      10};
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_sparsify_tensor)(call); };
  return kernel;
}

}  // namespace hone
#endif
