#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/relu_grad.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/cpu/detail/math-inl.hpp"
#include "hone/backend/kernel.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

void run_relu_grad(const KernelCall& call) {
  const VecF zero = hn::Zero(F32());
  map_vectors2(call.in(0).as(), call.in(1).as(), call.out(0).as(), call.out(0).size(),
               [&](VecF x, VecF dy) { return hn::IfThenElseZero(hn::Gt(x, zero), dy); });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_relu_grad);

Kernel cpu_kernel_relu_grad() {
  Kernel kernel{{"cpu.relu_grad", "vector gradient of relu"}, "relu_grad", RowRule::rows, 10};
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_relu_grad)(call); };
  return kernel;
}

}  // namespace hone
#endif
