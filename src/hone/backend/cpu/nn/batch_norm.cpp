#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/batch_norm.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include <cmath>
#include <vector>

#include "hone/backend/kernel.hpp"
#include "hone/core/threads.hpp"
#include "hone/core/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// Rows of `inner` numbers, a factor and a number to add each; with inner = 1 whole rows of
// channels.
void scale_channels(const float* x, float* y, std::int64_t outer, std::int64_t channels,
                    std::int64_t inner, const float* factor, const float* more) {
  const F32 d;
  parallel_ranges(
      inner == 1 ? outer : outer * channels, [&](std::int64_t begin, std::int64_t end, int) {
        for (std::int64_t r = begin; r < end; ++r) {
          if (inner == 1) {
            const float* row = x + r * channels;
            float* to = y + r * channels;
            for_vectors(
                channels,
                [&](std::int64_t i) {
                  hn::StoreU(hn::MulAdd(hn::LoadU(d, row + i), hn::LoadU(d, factor + i),
                                        hn::LoadU(d, more + i)),
                             d, to + i);
                },
                [&](std::int64_t i, std::size_t left) {
                  const auto mask = hn::FirstN(d, left);
                  blended_store(
                      hn::MulAdd(masked_load(mask, d, row + i), masked_load(mask, d, factor + i),
                                 masked_load(mask, d, more + i)),
                      mask, d, to + i);
                });
          } else {
            const VecF by = hn::Set(d, factor[r % channels]), plus = hn::Set(d, more[r % channels]);
            map_vectors(x + r * inner, y + r * inner, inner,
                        [&](VecF v) { return hn::MulAdd(v, by, plus); });
          }
        }
      });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
namespace {

HWY_EXPORT(scale_channels);

void run(const KernelCall& call) {
  const TensorView& x = call.in(0);
  const std::int64_t axis = call.attributes->integer("axis");
  const double epsilon = call.attributes->real("epsilon");
  std::int64_t outer = 1, inner = 1;
  for (std::int64_t i = 0; i < x.rank; ++i) {
    if (i < axis) outer *= x.dims[static_cast<std::size_t>(i)];
    if (i > axis) inner *= x.dims[static_cast<std::size_t>(i)];
  }
  const std::int64_t channels = x.dims[static_cast<std::size_t>(axis)];
  std::vector<float> factor(static_cast<std::size_t>(channels)), more(factor.size());
  for (std::int64_t c = 0; c < channels; ++c) {
    const double by = call.in(1).as()[c] / std::sqrt(call.in(4).as()[c] + epsilon);
    factor[static_cast<std::size_t>(c)] = static_cast<float>(by);
    more[static_cast<std::size_t>(c)] =
        static_cast<float>(call.in(2).as()[c] - call.in(3).as()[c] * by);
  }
  HWY_DYNAMIC_DISPATCH(scale_channels)
  (x.as(), call.out(0).as(), outer, channels, inner, factor.data(), more.data());
}

std::string refuse(const KernelQuery& query) {
  for (const ValueId id : query.node.inputs)
    if (query.graph.type(id).dtype != DType::f32) return "it computes f32";
  return "";
}

}  // namespace

Kernel cpu_kernel_batch_norm() {
  Kernel kernel{{"cpu.batch_norm", "one multiply-add a number"}, "batch_norm", RowRule::whole, 10};
  kernel.refuse = refuse;
  kernel.run = run;
  return kernel;
}

}  // namespace hone
#endif
