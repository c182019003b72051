// sgd: one pass over the parameter, its gradient and momentum.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/optim/sgd.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/kernel.hpp"
#include "hone/core/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

void run_sgd(const KernelCall& call) {
  const F32 d;
  const VecF lr = hn::Set(d, call.in(4).as()[call.in(5).as<std::int32_t>()[0] - 1]);
  const VecF clip = hn::Set(d, call.in(3).as()[0]);
  const VecF momentum = hn::Set(d, static_cast<float>(call.attributes->real("momentum")));
  const VecF decay = hn::Set(d, static_cast<float>(call.attributes->real("weight_decay")));
  const bool nesterov = call.attributes->boolean("nesterov");
  const float* g = call.in(1).as();
  float *p = call.out(0).as(), *m = call.out(1).as();
  const auto step = [&](VecF p_old, VecF g_new, VecF& m_now) {
    const VecF slope = hn::MulAdd(clip, g_new, hn::Mul(decay, p_old));
    m_now = hn::MulAdd(momentum, m_now, slope);
    return hn::NegMulAdd(lr, nesterov ? hn::MulAdd(momentum, m_now, slope) : m_now, p_old);
  };
  for_vectors(
      call.out(0).size(),
      [&](std::int64_t i) {
        VecF moved = hn::LoadU(d, m + i);
        hn::StoreU(step(hn::LoadU(d, p + i), hn::LoadU(d, g + i), moved), d, p + i);
        hn::StoreU(moved, d, m + i);
      },
      [&](std::int64_t i, std::size_t left) {
        const auto mask = hn::FirstN(d, left);
        VecF moved = masked_load(mask, d, m + i);
        blended_store(step(masked_load(mask, d, p + i), masked_load(mask, d, g + i), moved), mask,
                      d, p + i);
        blended_store(moved, mask, d, m + i);
      });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_sgd);

Kernel cpu_kernel_sgd() {
  Kernel kernel{{"cpu.sgd", "one vector pass, parameters side by side"}, "sgd", RowRule::whole, 10};
  kernel.refuse = [](const KernelQuery& query) -> std::string {
    return query.node.attributes.boolean("keep_sign") ? "signs are kept" : "";
  };
  kernel.serial = true;
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_sgd)(call); };
  return kernel;
}

}  // namespace hone
#endif
