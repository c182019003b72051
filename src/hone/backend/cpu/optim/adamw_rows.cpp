// adamw_rows: the rows are distinct, threads share them.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/optim/adamw_rows.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/cpu/detail/adamw-inl.hpp"
#include "hone/backend/kernel.hpp"
#include "hone/core/threads.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

void run_adamw_rows(const KernelCall& call) {
  const std::int32_t step = call.in(9).as<std::int32_t>()[0];
  const AdamwStep settings = adamw_step(adamw_settings(*call.attributes), call.in(8).as()[step - 1],
                                        step, call.in(7).as()[0]);
  const std::int64_t n = call.in(0).columns();
  const std::int32_t* rows = call.in(4).as<std::int32_t>();
  parallel_ranges(call.in(5).as<std::int32_t>()[0], [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t at = rows[i] * n;
      adamw_range(settings, n, call.in(6).as() + i * n, call.out(0).as() + at,
                  call.out(1).as() + at, call.out(2).as() + at);
      call.out(3).as<std::int32_t>()[rows[i]] = step;
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_adamw_rows);

Kernel cpu_kernel_adamw_rows() {
  Kernel kernel{{"cpu.adamw_rows", "one vector pass over the rows that occur"},
                "adamw_rows",
                RowRule::whole,
                10};
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_adamw_rows)(call); };
  return kernel;
}

}  // namespace hone
#endif
