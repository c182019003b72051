#include "hone/numerics/detail/sign_kernels.hpp"

#include <algorithm>
#include <cmath>

#include "hone/core/philox.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/numerics/detail/sign_kernels.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/core/philox-inl.hpp"
#include "hone/numerics/detail/stream-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// Sums in lanes, element i into lane i % 32: `terms` of them in float32, these sums in float64; the
// lanes are added in pairs at the end.
constexpr std::int64_t sum_lanes = 32;

// f(vector) is what is added. `ahead`: fetches the n numbers after these, which are next.
template <bool ahead, typename F>
HWY_INLINE double sum_by_lanes(const float* x, std::int64_t n, std::int64_t terms, const F& f) {
  const F32 d;
  const hn::Repartition<double, F32> d64;
  const hn::Half<F32> half;
  constexpr auto floats = static_cast<std::int64_t>(hn::MaxLanes(F32()));
  constexpr auto doubles = floats / 2;
  constexpr std::int64_t parts = sum_lanes / floats;
  HWY_ALIGN double lanes[sum_lanes] = {};
  // `count` times sum_lanes numbers.
  const auto add = [&](const float* from, std::int64_t count) {
    VecF sums[parts];
    for (auto& sum : sums) sum = hn::Zero(d);
    for (std::int64_t t = 0; t < count; ++t) {
      const float* at = from + t * sum_lanes;
      if constexpr (ahead) {
        hwy::Prefetch(at + n);
        hwy::Prefetch(at + n + sum_lanes / 2);
      }
      for (std::int64_t p = 0; p < parts; ++p)
        sums[p] = hn::Add(sums[p], f(hn::LoadU(d, at + p * floats)));
    }
    for (std::int64_t p = 0; p < parts; ++p) {
      double* low = lanes + p * floats;
      double* high = low + doubles;
      hn::Store(hn::Add(hn::Load(d64, low), hn::PromoteTo(d64, hn::LowerHalf(half, sums[p]))), d64,
                low);
      hn::Store(hn::Add(hn::Load(d64, high), hn::PromoteTo(d64, hn::UpperHalf(half, sums[p]))), d64,
                high);
    }
  };
  std::int64_t i = 0;
  for (; i + terms * sum_lanes <= n; i += terms * sum_lanes) add(x + i, terms);
  const std::int64_t left = (n - i) / sum_lanes;
  if (left > 0) add(x + i, left);
  i += left * sum_lanes;
  if (i < n) {
    float rest[sum_lanes];
    for (std::int64_t k = 0; k < sum_lanes; ++k) rest[k] = i + k < n ? x[i + k] : 0.0f;
    float added[sum_lanes];
    for (std::int64_t p = 0; p < parts; ++p)
      hn::StoreU(f(hn::LoadU(d, rest + p * floats)), d, added + p * floats);
    // Numbers that are not there add nothing, whatever f makes of zero.
    for (std::int64_t k = 0; k < n - i; ++k) lanes[k] += static_cast<double>(added[k]);
  }
  for (std::int64_t width = sum_lanes / 2; width > 0; width /= 2)
    for (std::int64_t k = 0; k < width; ++k) lanes[k] += lanes[k + width];
  return lanes[0];
}

// sum(terms): eight terms may exceed float32 where one does not.
template <typename Sum>
HWY_INLINE double sum_in_range(const Sum& sum) {
  const double fast = sum(std::int64_t{8});
  return std::isfinite(fast) ? fast : sum(std::int64_t{1});
}

MagnitudeSum run_sum_magnitudes(const float* x, std::int64_t n, float border) {
  const F32 d;
  MagnitudeSum result;
  if (border < 0) {
    result.sum = sum_in_range([&](std::int64_t terms) {
      return sum_by_lanes<false>(x, n, terms, [](VecF v) { return hn::Abs(v); });
    });
    result.count = n;
    return result;
  }
  const VecF limit = hn::Set(d, border);
  // Counted in the lanes, as 0 or -1 a number; the zeros that fill up the end are not above.
  hn::Vec<I32> counts = hn::Zero(I32());
  // The second pass over these numbers: they are cached, memory is free.
  result.sum = sum_in_range([&](std::int64_t terms) {
    counts = hn::Zero(I32());
    return sum_by_lanes<true>(x, n, terms, [&](VecF v) {
      const VecF magnitude = hn::Abs(v);
      const auto above = hn::Gt(magnitude, limit);
      counts = hn::Add(counts, hn::BitCast(I32(), hn::VecFromMask(d, above)));
      return hn::IfThenElseZero(above, magnitude);
    });
  });
  result.count = -static_cast<std::int64_t>(hn::GetLane(hn::SumOfLanes(I32(), counts)));
  return result;
}

void run_choose_signs(const float* x, float* y, std::int64_t n, float above, float below,
                      bool strict, Stores stores) {
  const F32 d;
  const VecF up = hn::Set(d, above);
  const VecF down = hn::Set(d, below);
  const VecF zero = hn::Zero(d);
  const auto keep_nan = [&](VecF v, VecF chosen) {
    return hn::IfThenElse(hn::Eq(v, v), chosen, v);
  };
  if (strict)
    map_numbers(x, y, n, stores,
                [&](VecF v) { return keep_nan(v, hn::IfThenElse(hn::Gt(v, zero), up, down)); });
  else
    map_numbers(x, y, n, stores,
                [&](VecF v) { return keep_nan(v, hn::IfThenElse(hn::Ge(v, zero), up, down)); });
}

void run_choose_thirds(const float* x, float* y, std::int64_t n, float scale, float border,
                       Stores stores) {
  const F32 d;
  const VecF size = hn::Set(d, scale);
  const VecF limit = hn::Set(d, border);
  map_numbers(x, y, n, stores, [&](VecF v) {
    const VecF chosen = hn::IfThenElseZero(hn::Gt(hn::Abs(v), limit), hn::CopySignToAbs(size, v));
    return hn::IfThenElse(hn::Eq(v, v), chosen, v);
  });
}

// Draws of 64 elements: element i is word i / 16 % 4 of counter i / 64 * 16 + i % 16.
constexpr std::int64_t draw_block = 64;

HWY_INLINE void fill_draws(const RandomDraws& draws, std::uint64_t block, std::uint32_t* words) {
  const U32 d;
  const std::uint64_t first = block * 16;
  for (std::size_t lane = 0; lane < 16; lane += hn::Lanes(d)) {
    const PhiloxVectors drawn = philox_vectors(
        static_cast<std::uint32_t>(first + lane), static_cast<std::uint32_t>(first >> 32),
        draws.stream, draws.counter, static_cast<std::uint32_t>(draws.key),
        static_cast<std::uint32_t>(draws.key >> 32));
    for (std::size_t w = 0; w < 4; ++w) hn::StoreU(drawn.word[w], d, words + 16 * w + lane);
  }
}

void run_draw_signs(const float* x, float* y, std::int64_t n, const RandomDraws& draws) {
  const F32 d;
  const VecF one = hn::Set(d, 1.0f);
  const VecF half = hn::Set(d, 0.5f);
  const VecF unit = hn::Set(d, 0x1p-24f);
  // A block and a vector, for the loads of a last part.
  HWY_ALIGN std::uint32_t words[draw_block + HWY_MAX_BYTES / 4] = {};
  for (std::int64_t i = 0; i < n;) {
    const std::int64_t element = draws.first + i;
    const std::int64_t inside = element % draw_block;
    const std::int64_t count = std::min(n - i, draw_block - inside);
    fill_draws(draws, static_cast<std::uint64_t>(element / draw_block), words);
    std::int64_t at = inside;
    map_vectors(x + i, y + i, count, [&](VecF v) {
      const VecU bits = hn::LoadU(U32(), words + at);
      at += static_cast<std::int64_t>(hn::Lanes(d));
      const VecF draw =
          hn::Mul(hn::ConvertTo(d, hn::BitCast(I32(), hn::ShiftRight<8>(bits))), unit);
      const VecF probability = hn::Mul(hn::Add(v, one), half);
      const VecF sign = hn::IfThenElse(hn::Lt(draw, probability), one, hn::Neg(one));
      return hn::IfThenElse(hn::Eq(v, v), sign, v);
    });
    i += count;
  }
}

// What the first `levels` levels leave of v, and their sum.
HWY_INLINE VecF residual(VecF v, const LevelScales& scales, int levels, VecF& sum) {
  const F32 d;
  sum = hn::Zero(d);
  for (int l = 0; l < levels; ++l) {
    const VecF scale = hn::Set(d, scales[static_cast<std::size_t>(l)]);
    const VecF level = hn::IfThenElse(hn::Ge(v, hn::Zero(d)), scale, hn::Neg(scale));
    sum = hn::Add(sum, level);
    v = hn::Sub(v, level);
  }
  return v;
}

double run_sum_residuals(const float* x, std::int64_t n, const LevelScales& scales, int levels) {
  const auto left = [&](VecF v) {
    VecF sum;
    return hn::Abs(residual(v, scales, levels, sum));
  };
  // From the second pass on the numbers are cached and memory is free.
  return sum_in_range([&](std::int64_t terms) {
    return levels > 0 ? sum_by_lanes<true>(x, n, terms, left)
                      : sum_by_lanes<false>(x, n, terms, left);
  });
}

void run_sum_levels(const float* x, float* y, std::int64_t n, const LevelScales& scales, int levels,
                    Stores stores) {
  map_numbers(x, y, n, stores, [&](VecF v) {
    VecF sum;
    residual(v, scales, levels, sum);
    return sum;
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_sum_magnitudes);
HWY_EXPORT(run_choose_signs);
HWY_EXPORT(run_choose_thirds);
HWY_EXPORT(run_draw_signs);
HWY_EXPORT(run_sum_residuals);
HWY_EXPORT(run_sum_levels);

MagnitudeSum sum_magnitudes(const float* x, std::int64_t n, float border) {
  return HWY_DYNAMIC_DISPATCH(run_sum_magnitudes)(x, n, border);
}
void choose_signs(const float* x, float* y, std::int64_t n, float above, float below, bool strict,
                  Stores stores) {
  HWY_DYNAMIC_DISPATCH(run_choose_signs)(x, y, n, above, below, strict, stores);
}
void choose_thirds(const float* x, float* y, std::int64_t n, float scale, float border,
                   Stores stores) {
  HWY_DYNAMIC_DISPATCH(run_choose_thirds)(x, y, n, scale, border, stores);
}
void draw_signs(const float* x, float* y, std::int64_t n, const RandomDraws& draws) {
  HWY_DYNAMIC_DISPATCH(run_draw_signs)(x, y, n, draws);
}
double sum_residuals(const float* x, std::int64_t n, const LevelScales& scales, int levels) {
  return HWY_DYNAMIC_DISPATCH(run_sum_residuals)(x, n, scales, levels);
}
void sum_levels(const float* x, float* y, std::int64_t n, const LevelScales& scales, int levels,
                Stores stores) {
  HWY_DYNAMIC_DISPATCH(run_sum_levels)(x, y, n, scales, levels, stores);
}

float uniform_draw(const RandomDraws& draws, std::int64_t i) {
  const std::uint64_t counter = static_cast<std::uint64_t>(i / 64 * 16 + i % 16);
  const PhiloxBlock block =
      philox({static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32),
              draws.stream, draws.counter},
             {static_cast<std::uint32_t>(draws.key), static_cast<std::uint32_t>(draws.key >> 32)},
             philox_mask_rounds);
  return static_cast<float>(block[static_cast<std::size_t>(i / 16 % 4)] >> 8) * 0x1p-24f;
}

}  // namespace hone
#endif
