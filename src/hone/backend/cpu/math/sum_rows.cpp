#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/math/sum_rows.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/cpu/detail/math-inl.hpp"
#include "hone/backend/kernel.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

void run_sum_rows(const KernelCall& call) {
  const float* x = call.in(0).as();
  const F32 d;
  const std::int64_t rows = call.in(0).rows();
  const std::int64_t n = call.in(0).columns();
  float* to = call.out(0).as();
  // A strip of columns at a time, its sums in registers.
  for_vectors(
      n,
      [&](std::int64_t i) {
        VecF sum = call.accumulate ? hn::LoadU(d, to + i) : hn::Zero(d);
        for (std::int64_t r = 0; r < rows; ++r) sum = hn::Add(sum, hn::LoadU(d, x + r * n + i));
        hn::StoreU(sum, d, to + i);
      },
      [&](std::int64_t i, std::size_t count) {
        const auto mask = hn::FirstN(d, count);
        VecF sum = call.accumulate ? masked_load(mask, d, to + i) : hn::Zero(d);
        for (std::int64_t r = 0; r < rows; ++r)
          sum = hn::Add(sum, masked_load(mask, d, x + r * n + i));
        blended_store(sum, mask, d, to + i);
      });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_sum_rows);

Kernel cpu_kernel_sum_rows() {
  Kernel kernel{{"cpu.sum_rows", "column sums in registers"}, "sum_rows", RowRule::reduce, 10};
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_sum_rows)(call); };
  return kernel;
}

}  // namespace hone
#endif
