#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/sparsify.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/cpu/detail/select-inl.hpp"
#include "hone/backend/kernel.hpp"
#include "hone/ops/detail/sparsify.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

void sparsify_row(const float* x, float* y, std::uint8_t* keep, std::int64_t n,
                  std::int64_t dropped) {
  if (dropped == 0) {
    keep_above(x, y, keep, n, -1);
    return;
  }
  // The bits of the last number that is dropped; any limit that parts exactly so many will do.
  std::int32_t limit = 0;
  for (std::int32_t bit = 1 << 30; bit != 0; bit >>= 1) {
    const std::int64_t below = count_below(x, n, limit | bit);
    if (below == dropped) {
      keep_above(x, y, keep, n, (limit | bit) - 1);
      return;
    }
    if (below < dropped) limit |= bit;
  }
  keep_above(x, y, keep, n, limit);
  // Of those equal to the limit the last are dropped, the first are taken back.
  std::int64_t back = (limit == 0x7fffffff ? n : count_below(x, n, limit + 1)) - dropped;
  for (std::int64_t i = 0; back > 0; ++i) {
    if (magnitude_bits(x[i]) != limit) continue;
    keep[i] = 1;
    y[i] = x[i];
    --back;
  }
}

void run_sparsify(const KernelCall& call) {
  const TensorView& x = call.in(0);
  const std::int64_t n = x.columns();
  const double threshold = call.attributes->real_or("threshold", -1);
  const std::int64_t dropped = dropped_of(n, call.attributes->real_or("sparsity", 0));
  if (threshold >= 0) {
    keep_above(x.as(), call.out(0).as(), call.out(1).as<std::uint8_t>(), x.size(),
               magnitude_bits(static_cast<float>(threshold)));
    return;
  }
  for (std::int64_t r = 0; r < x.rows(); ++r)
    sparsify_row(x.as() + r * n, call.out(0).as() + r * n, call.out(1).as<std::uint8_t>() + r * n,
                 n, dropped);
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_sparsify);

Kernel cpu_kernel_sparsify() {
  Kernel kernel{
      {"cpu.sparsify", "bisection of the magnitudes' bits"}, "sparsify", RowRule::rows, 10};
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_sparsify)(call); };
  return kernel;
}

}  // namespace hone
#endif
