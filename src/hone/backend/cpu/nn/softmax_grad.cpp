#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/softmax_grad.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/kernel.hpp"
#include "hone/core/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

void run_softmax_grad(const KernelCall& call) {
  const F32 d;
  const std::int64_t n = call.in(0).columns();
  for (std::int64_t r = 0; r < call.in(0).rows(); ++r) {
    const float *y = call.in(0).as() + r * n, *dy = call.in(1).as() + r * n;
    VecF sum = hn::Zero(d);
    for_vectors(
        n,
        [&](std::int64_t i) { sum = hn::MulAdd(hn::LoadU(d, y + i), hn::LoadU(d, dy + i), sum); },
        [&](std::int64_t i, std::size_t count) {
          const auto mask = hn::FirstN(d, count);
          sum = hn::MulAdd(masked_load(mask, d, y + i), masked_load(mask, d, dy + i), sum);
        });
    const VecF inner = hn::SumOfLanes(d, sum);
    map_vectors2(y, dy, call.out(0).as() + r * n, n,
                 [&](VecF a, VecF b) { return hn::Mul(a, hn::Sub(b, inner)); });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_softmax_grad);

Kernel cpu_kernel_softmax_grad() {
  Kernel kernel{{"cpu.softmax_grad", "one row at a time"}, "softmax_grad", RowRule::rows, 10};
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_softmax_grad)(call); };
  return kernel;
}

}  // namespace hone
#endif
