#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/math/tanh.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/cpu/detail/math-inl.hpp"
#include "hone/backend/kernel.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

void run_tanh(const KernelCall& call) {
  map_vectors(call.in(0).as(), call.out(0).as(), call.out(0).size(),
              [&](VecF x) { return tanh_vector(x); });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_tanh);

Kernel cpu_kernel_tanh() {
  Kernel kernel{{"cpu.tanh", "vector tanh by exp"}, "tanh", RowRule::rows, 10};
  kernel.refuse = refuse_other_than_f32;
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_tanh)(call); };
  return kernel;
}

}  // namespace hone
#endif
