#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/layer_norm_grad_scale.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/cpu/detail/math-inl.hpp"
#include "hone/backend/kernel.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

void run_layer_norm_grad_scale(const KernelCall& call) {
  const float* dy = call.in(0).as();
  const float* x = call.in(1).as();
  const float* mean = call.in(2).as();
  const float* rstd = call.in(3).as();
  const F32 d;
  const std::int64_t rows = call.in(0).rows();
  const std::int64_t n = call.in(0).columns();
  float* to = call.out(0).as();
  // A strip of columns at a time, its sums in registers.
  for_vectors(
      n,
      [&](std::int64_t i) {
        VecF sum = call.accumulate ? hn::LoadU(d, to + i) : hn::Zero(d);
        for (std::int64_t r = 0; r < rows; ++r)
          sum = hn::MulAdd(hn::LoadU(d, dy + r * n + i),
                           hn::Mul(hn::Sub(hn::LoadU(d, x + r * n + i), hn::Set(d, mean[r])),
                                   hn::Set(d, rstd[r])),
                           sum);
        hn::StoreU(sum, d, to + i);
      },
      [&](std::int64_t i, std::size_t count) {
        const auto mask = hn::FirstN(d, count);
        VecF sum = call.accumulate ? masked_load(mask, d, to + i) : hn::Zero(d);
        for (std::int64_t r = 0; r < rows; ++r)
          sum =
              hn::MulAdd(masked_load(mask, d, dy + r * n + i),
                         hn::Mul(hn::Sub(masked_load(mask, d, x + r * n + i), hn::Set(d, mean[r])),
                                 hn::Set(d, rstd[r])),
                         sum);
        blended_store(sum, mask, d, to + i);
      });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_layer_norm_grad_scale);

Kernel cpu_kernel_layer_norm_grad_scale() {
  Kernel kernel{{"cpu.layer_norm_grad_scale", "column sums in registers"},
                "layer_norm_grad_scale",
                RowRule::reduce,
                10};
  kernel.run = [](const KernelCall& call) {
    HWY_DYNAMIC_DISPATCH(run_layer_norm_grad_scale)(call);
  };
  return kernel;
}

}  // namespace hone
#endif
