// adamw: one pass over the parameter, its gradient and moments.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/optim/adamw.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include <vector>

#include "hone/backend/cpu/detail/adamw-inl.hpp"
#include "hone/backend/kernel.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

void run_adamw(const KernelCall& call) {
  const std::int64_t step = call.in(6).as<std::int32_t>()[0];
  const AdamwStep settings = adamw_step(adamw_settings(*call.attributes), call.in(5).as()[step - 1],
                                        step, call.in(4).as()[0]);
  float* const p = call.out(0).as();
  const std::int64_t count = call.out(0).size();
  const bool keeps = call.attributes->boolean("keep_sign");
  std::vector<float> before(p, p + (keeps ? count : 0));
  adamw_range(settings, count, call.in(1).as(), p, call.out(1).as(), call.out(2).as());
  for (std::size_t i = 0; i < before.size(); ++i) p[i] = keep_sign(before[i], p[i]);
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_adamw);

Kernel cpu_kernel_adamw() {
  Kernel kernel{
      {"cpu.adamw", "one vector pass, parameters side by side"}, "adamw", RowRule::whole, 10};
  kernel.serial = true;
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_adamw)(call); };
  return kernel;
}

}  // namespace hone
#endif
