#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/gelu.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/cpu/detail/math-inl.hpp"
#include "hone/backend/kernel.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

HWY_INLINE VecF gelu_tanh_vector(VecF x) {
  const F32 d;
  const VecF inner = hn::Mul(hn::Mul(x, hn::Set(d, 0.79788456f)),
                             hn::MulAdd(hn::Mul(x, x), hn::Set(d, 0.044715f), hn::Set(d, 1.0f)));
  return hn::Mul(hn::Mul(x, hn::Set(d, 0.5f)), hn::Add(hn::Set(d, 1.0f), tanh_vector(inner)));
}

void run_gelu(const KernelCall& call) {
  if (call.attributes->text("approximate") == "tanh") {
    map_vectors(call.in(0).as(), call.out(0).as(), call.out(0).size(),
                [](VecF x) { return gelu_tanh_vector(x); });
  } else {
    map_vectors(call.in(0).as(), call.out(0).as(), call.out(0).size(), [](VecF x) {
      VecF gauss;
      return hn::Mul(x, normal_cdf(x, gauss));
    });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_gelu);

Kernel cpu_kernel_gelu() {
  Kernel kernel{{"cpu.gelu", "vector GELU"}, "gelu", RowRule::rows, 10};
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_gelu)(call); };
  return kernel;
}

}  // namespace hone
#endif
