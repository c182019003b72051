#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/relu.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/cpu/detail/math-inl.hpp"
#include "hone/backend/kernel.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

void run_relu(const KernelCall& call) {
  const VecF zero = hn::Zero(F32());
  // NaN compares false and stays NaN.
  map_vectors(call.in(0).as(), call.out(0).as(), call.out(0).size(),
              [&](VecF x) { return hn::IfThenZeroElse(hn::Lt(x, zero), x); });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_relu);

Kernel cpu_kernel_relu() {
  Kernel kernel{{"cpu.relu", "vector maximum with zero"}, "relu", RowRule::rows, 10};
  kernel.refuse = refuse_other_than_f32;
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_relu)(call); };
  return kernel;
}

}  // namespace hone
#endif
