#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/math/tanh_grad.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/cpu/detail/math-inl.hpp"
#include "hone/backend/kernel.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

void run_tanh_grad(const KernelCall& call) {
  const VecF one = hn::Set(F32(), 1.0f);
  map_vectors2(call.in(0).as(), call.in(1).as(), call.out(0).as(), call.out(0).size(),
               [&](VecF y, VecF dy) { return hn::Mul(dy, hn::NegMulAdd(y, y, one)); });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_tanh_grad);

Kernel cpu_kernel_tanh_grad() {
  Kernel kernel{{"cpu.tanh_grad", "vector gradient of tanh"}, "tanh_grad", RowRule::rows, 10};
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_tanh_grad)(call); };
  return kernel;
}

}  // namespace hone
#endif
