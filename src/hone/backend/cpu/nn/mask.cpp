#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/mask.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/kernel.hpp"
#include "hone/core/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

void run_mask(const KernelCall& call) {
  const float* x = call.in(0).as();
  const auto* mask = call.in(1).as<std::uint8_t>();
  float* y = call.out(0).as();
  const std::int64_t count = call.out(0).size();
  const hn::ScalableTag<float> df;
  const hn::Rebind<std::uint8_t, decltype(df)> d8;
  const hn::RebindToUnsigned<decltype(df)> du;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(df));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto keep = hn::Ne(hn::PromoteTo(du, hn::LoadU(d8, mask + i)), hn::Zero(du));
    hn::StoreU(hn::IfThenElseZero(hn::RebindMask(df, keep), hn::LoadU(df, x + i)), df, y + i);
  }
  for (; i < count; ++i) y[i] = mask[i] != 0 ? x[i] : 0.0f;
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_mask);

Kernel cpu_kernel_mask() {
  Kernel kernel{{"cpu.mask", "vector selection"}, "mask", RowRule::rows, 10};
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_mask)(call); };
  return kernel;
}

}  // namespace hone
#endif
