// adamw: one pass over the parameter, its gradient and moments.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/adamw.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include "hone/backend/cpu/detail/adamw-inl.hpp"
#include "hone/backend/kernel.hpp"
#include "hone/core/threads.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

void run_adamw(const KernelCall& call) {
  const std::int64_t step = call.in(6).as<std::int32_t>()[0];
  const AdamwStep settings =
      adamw_step(adamw_settings(*call.attributes), call.in(5).as()[step - 1], step, call.in(4).as()[0]);
  const auto update = [&](std::int64_t begin, std::int64_t end, int) {
    adamw_range(settings, end - begin, call.in(1).as() + begin, call.out(0).as() + begin, call.out(1).as() + begin,
                call.out(2).as() + begin);
  };
  // Waking threads costs more than a small tensor.
  if (call.out(0).size() < 1 << 13)
    update(0, call.out(0).size(), 0);
  else
    parallel_ranges(call.out(0).size(), update);
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_adamw);

Kernel cpu_kernel_adamw() {
  Kernel kernel{{"cpu.adamw", "one vector pass"}, "adamw", RowRule::whole, 10};
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_adamw)(call); };
  return kernel;
}

}  // namespace hone
#endif
