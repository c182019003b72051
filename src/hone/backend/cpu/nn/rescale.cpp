#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/rescale.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/cpu/detail/math-inl.hpp"
#include "hone/backend/kernel.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

void run_rescale(const KernelCall& call) {
  const F32 d;
  const std::int64_t n = call.in(0).columns();
  const float* g = call.in(1).as();
  const float* bias = call.has(2) ? call.in(2).as() : nullptr;
  for (std::int64_t r = 0; r < call.in(0).rows(); ++r) {
    const float* x = call.in(0).as() + r * n;
    float* y = call.out(0).as() + r * n;
    for_vectors(
        n,
        [&](std::int64_t i) {
          const VecF b = bias != nullptr ? hn::LoadU(d, bias + i) : hn::Zero(d);
          hn::StoreU(hn::MulAdd(hn::LoadU(d, g + i), hn::Sub(hn::LoadU(d, x + i), b), b), d, y + i);
        },
        [&](std::int64_t i, std::size_t count) {
          const auto mask = hn::FirstN(d, count);
          const VecF b = bias != nullptr ? masked_load(mask, d, bias + i) : hn::Zero(d);
          const VecF value =
              hn::MulAdd(masked_load(mask, d, g + i), hn::Sub(masked_load(mask, d, x + i), b), b);
          blended_store(value, mask, d, y + i);
        });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_rescale);

Kernel cpu_kernel_rescale() {
  Kernel kernel{{"cpu.rescale", "one pass in vectors"}, "rescale", RowRule::rows, 10};
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_rescale)(call); };
  return kernel;
}

}  // namespace hone
#endif
