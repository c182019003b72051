#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/math/scale.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/cpu/detail/math-inl.hpp"
#include "hone/backend/kernel.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

void run_scale(const KernelCall& call) {
  const VecF factor = hn::Set(F32(), static_cast<float>(call.attributes->real("factor")));
  map_vectors(call.in(0).as(), call.out(0).as(), call.out(0).size(),
              [&](VecF x) { return hn::Mul(x, factor); });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_scale);

Kernel cpu_kernel_scale() {
  Kernel kernel{{"cpu.scale", "vector times number"}, "scale", RowRule::rows, 10};
  kernel.refuse = refuse_other_than_f32;
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_scale)(call); };
  return kernel;
}

}  // namespace hone
#endif
