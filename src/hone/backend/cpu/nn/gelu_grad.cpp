#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/gelu_grad.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/cpu/detail/math-inl.hpp"
#include "hone/backend/kernel.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// Phi(x) + x phi(x)
HWY_INLINE VecF gelu_slope(VecF x) {
  VecF gauss;
  const VecF cdf = normal_cdf(x, gauss);
  return hn::MulAdd(hn::Mul(x, hn::Set(F32(), 0.39894228f)), gauss, cdf);
}

HWY_INLINE VecF gelu_tanh_slope(VecF x) {
  const F32 d;
  const VecF one = hn::Set(d, 1.0f);
  const VecF half = hn::Set(d, 0.5f);
  const VecF square = hn::Mul(x, x);
  const VecF root = hn::Set(d, 0.79788456f);
  const VecF t =
      tanh_vector(hn::Mul(hn::Mul(x, root), hn::MulAdd(square, hn::Set(d, 0.044715f), one)));
  const VecF inner = hn::Mul(root, hn::MulAdd(square, hn::Set(d, 3.0f * 0.044715f), one));
  const VecF sech2 = hn::NegMulAdd(t, t, one);
  return hn::MulAdd(hn::Mul(hn::Mul(x, half), sech2), inner, hn::MulAdd(half, t, half));
}

void run_gelu_grad(const KernelCall& call) {
  const float* x = call.in(0).as();
  const float* dy = call.in(1).as();
  if (call.attributes->text("approximate") == "tanh")
    map_vectors2(x, dy, call.out(0).as(), call.out(0).size(),
                 [](VecF v, VecF g) { return hn::Mul(g, gelu_tanh_slope(v)); });
  else
    map_vectors2(x, dy, call.out(0).as(), call.out(0).size(),
                 [](VecF v, VecF g) { return hn::Mul(g, gelu_slope(v)); });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_gelu_grad);

Kernel cpu_kernel_gelu_grad() {
  Kernel kernel{{"cpu.gelu_grad", "vector gradient of GELU"}, "gelu_grad", RowRule::rows, 10};
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_gelu_grad)(call); };
  return kernel;
}

}  // namespace hone
#endif
