#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/layer_norm_grad.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/cpu/detail/math-inl.hpp"
#include "hone/backend/kernel.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

void run_layer_norm_grad(const KernelCall& call) {
  const F32 d;
  const std::int64_t n = call.in(0).columns();
  const float* gamma = call.in(4).as();
  for (std::int64_t r = 0; r < call.in(0).rows(); ++r) {
    const float* dy = call.in(0).as() + r * n;
    const float* x = call.in(1).as() + r * n;
    float* dx = call.out(0).as() + r * n;
    const VecF mean = hn::Set(d, call.in(2).as()[r]);
    const VecF rstd = hn::Set(d, call.in(3).as()[r]);
    VecF sum_g = hn::Zero(d);
    VecF sum_gx = hn::Zero(d);
    const auto gather = [&](VecF g, VecF v) {
      sum_g = hn::Add(sum_g, g);
      sum_gx = hn::MulAdd(g, hn::Mul(hn::Sub(v, mean), rstd), sum_gx);
    };
    for_vectors(
        n,
        [&](std::int64_t i) {
          gather(hn::Mul(hn::LoadU(d, dy + i), hn::LoadU(d, gamma + i)), hn::LoadU(d, x + i));
        },
        [&](std::int64_t i, std::size_t count) {
          const auto mask = hn::FirstN(d, count);
          gather(hn::Mul(masked_load(mask, d, dy + i), masked_load(mask, d, gamma + i)),
                 masked_load(mask, d, x + i));
        });
    const float inverse = 1.0f / static_cast<float>(n);
    const VecF mean_g = hn::Set(d, hn::GetLane(hn::SumOfLanes(d, sum_g)) * inverse);
    const VecF mean_gx = hn::Set(d, hn::GetLane(hn::SumOfLanes(d, sum_gx)) * inverse);
    const auto apply = [&](VecF g, VecF v) {
      const VecF normal = hn::Mul(hn::Sub(v, mean), rstd);
      return hn::Mul(rstd, hn::NegMulAdd(normal, mean_gx, hn::Sub(g, mean_g)));
    };
    for_vectors(
        n,
        [&](std::int64_t i) {
          hn::StoreU(
              apply(hn::Mul(hn::LoadU(d, dy + i), hn::LoadU(d, gamma + i)), hn::LoadU(d, x + i)), d,
              dx + i);
        },
        [&](std::int64_t i, std::size_t count) {
          const auto mask = hn::FirstN(d, count);
          blended_store(
              apply(hn::Mul(masked_load(mask, d, dy + i), masked_load(mask, d, gamma + i)),
                    masked_load(mask, d, x + i)),
              mask, d, dx + i);
        });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_layer_norm_grad);

Kernel cpu_kernel_layer_norm_grad() {
  Kernel kernel{{"cpu.layer_norm_grad", "two passes over a row in cache"},
                "layer_norm_grad",
                RowRule::rows,
                10};
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_layer_norm_grad)(call); };
  return kernel;
}

}  // namespace hone
#endif
