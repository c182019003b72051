// Sums, means and extremes over dimensions that stand together: vectors along what stays behind
// them, or along themselves.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/math/reduce_kernel_family.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include <algorithm>
#include <limits>

#include "hone/backend/kernel.hpp"
#include "hone/core/threads.hpp"
#include "hone/core/vectors-inl.hpp"
#include "hone/ops/detail/numbers.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// `count` rows of `inner` numbers become one row.
template <typename Join>
HWY_INLINE void reduce_rows(const float* x, float* y, std::int64_t count, std::int64_t inner,
                            float start, float factor, const Join& join) {
  const F32 d;
  const VecF by = hn::Set(d, factor);
  for_vectors(
      inner,
      [&](std::int64_t i) {
        VecF all = hn::Set(d, start);
        for (std::int64_t r = 0; r < count; ++r) all = join(all, hn::LoadU(d, x + r * inner + i));
        hn::StoreU(hn::Mul(all, by), d, y + i);
      },
      [&](std::int64_t i, std::size_t left) {
        const auto mask = hn::FirstN(d, left);
        VecF all = hn::Set(d, start);
        for (std::int64_t r = 0; r < count; ++r)
          all = join(all, masked_load(mask, d, x + r * inner + i));
        blended_store(hn::Mul(all, by), mask, d, y + i);
      });
}

// A row of `count` numbers becomes one.
template <typename Join>
HWY_INLINE float reduce_row(const float* x, std::int64_t count, float start, float factor,
                            const Join& join) {
  const F32 d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  VecF all[4] = {hn::Set(d, start), hn::Set(d, start), hn::Set(d, start), hn::Set(d, start)};
  std::int64_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes)
    for (int j = 0; j < 4; ++j) all[j] = join(all[j], hn::LoadU(d, x + i + j * lanes));
  for (; i + lanes <= count; i += lanes) all[0] = join(all[0], hn::LoadU(d, x + i));
  if (i < count) {
    const auto mask = hn::FirstN(d, static_cast<std::size_t>(count - i));
    all[1] = join(all[1], hn::IfThenElse(mask, masked_load(mask, d, x + i), hn::Set(d, start)));
  }
  HWY_ALIGN float parts[hn::MaxLanes(d)], other[hn::MaxLanes(d)] = {};
  hn::Store(join(join(all[0], all[1]), join(all[2], all[3])), d, parts);
  for (std::int64_t j = 1; j < lanes; ++j) {
    other[0] = parts[0];
    const VecF both = join(hn::Load(d, other), hn::Set(d, parts[j]));
    parts[0] = hn::GetLane(both);
  }
  return parts[0] * factor;
}

template <typename Join>
HWY_INLINE void reduce_all(const float* x, float* y, std::int64_t outer, std::int64_t count,
                           std::int64_t inner, float start, float factor, const Join& join) {
  parallel_ranges(outer, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t o = begin; o < end; ++o)
      if (inner == 1)
        y[o] = reduce_row(x + o * count, count, start, factor, join);
      else
        reduce_rows(x + o * count * inner, y + o * inner, count, inner, start, factor, join);
  });
}

// kind: 's'um, larg'e'st or 'l'east.
void reduce_dimensions(const float* x, float* y, std::int64_t outer, std::int64_t count,
                       std::int64_t inner, float factor, char kind) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  if (kind == 's')
    return reduce_all(x, y, outer, count, inner, 0.0f, factor,
                      [](VecF a, VecF b) { return hn::Add(a, b); });
  // Where one is NaN, it stays.
  if (kind == 'e')
    return reduce_all(x, y, outer, count, inner, -infinity, factor, [](VecF a, VecF b) {
      return hn::IfThenElse(hn::Or(hn::Gt(b, a), hn::IsNaN(b)), b, a);
    });
  return reduce_all(x, y, outer, count, inner, infinity, factor, [](VecF a, VecF b) {
    return hn::IfThenElse(hn::Or(hn::Lt(b, a), hn::IsNaN(b)), b, a);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
namespace {

HWY_EXPORT(reduce_dimensions);

std::vector<std::int64_t> sorted_axes(const Options& attributes) {
  std::vector<std::int64_t> axes = integers_of(attributes, "axes");
  std::sort(axes.begin(), axes.end());
  return axes;
}

std::string refuse(const KernelQuery& query) {
  if (std::string why = refuse_other_than_f32(query); !why.empty()) return why;
  const std::vector<std::int64_t> axes = sorted_axes(query.node.attributes);
  for (std::size_t i = 1; i < axes.size(); ++i)
    if (axes[i] != axes[i - 1] + 1) return "its dimensions do not stand together";
  return "";
}

void run(const KernelCall& call, char kind, bool mean) {
  const TensorView& x = call.in(0);
  const std::vector<std::int64_t> axes = sorted_axes(*call.attributes);
  std::int64_t outer = 1, count = 1, inner = 1;
  for (std::int64_t i = 0; i < x.rank; ++i) {
    const std::int64_t size = x.dims[static_cast<std::size_t>(i)];
    if (axes.empty() || i < axes.front())
      outer *= size;
    else if (i <= axes.back())
      count *= size;
    else
      inner *= size;
  }
  const float factor =
      mean ? static_cast<float>(1.0 / static_cast<double>(count == 0 ? 1 : count)) : 1.0f;
  HWY_DYNAMIC_DISPATCH(reduce_dimensions)
  (x.as(), call.out(0).as(), outer, count, inner, factor, kind);
}

Kernel make(const char* name, const char* op, const char* summary,
            void (*run_one)(const KernelCall&)) {
  Kernel kernel{{name, summary}, op, RowRule::whole, 10};
  kernel.refuse = refuse;
  kernel.run = run_one;
  return kernel;
}

}  // namespace

std::vector<Kernel> cpu_kernel_reduce_kernel_family() {
  return {
      make("cpu.sum", "sum", "vectors of sums", [](const KernelCall& c) { run(c, 's', false); }),
      make("cpu.mean", "mean", "vectors of sums", [](const KernelCall& c) { run(c, 's', true); }),
      make("cpu.max", "max", "vectors of extremes",
           [](const KernelCall& c) { run(c, 'e', false); }),
      make("cpu.min", "min", "vectors of extremes",
           [](const KernelCall& c) { run(c, 'l', false); })};
}

}  // namespace hone
#endif
