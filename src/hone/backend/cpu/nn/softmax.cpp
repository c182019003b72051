#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/softmax.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/cpu/detail/math-inl.hpp"
#include "hone/backend/kernel.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

void run_softmax(const KernelCall& call) {
  const F32 d;
  const std::int64_t n = call.in(0).columns();
  const VecF lowest = hn::Set(d, -3.4e38f);
  for (std::int64_t r = 0; r < call.in(0).rows(); ++r) {
    const float* x = call.in(0).as() + r * n;
    float* y = call.out(0).as() + r * n;
    VecF largest = lowest;
    for_vectors(
        n, [&](std::int64_t i) { largest = hn::Max(largest, hn::LoadU(d, x + i)); },
        [&](std::int64_t i, std::size_t count) {
          const auto mask = hn::FirstN(d, count);
          largest = hn::Max(largest, hn::IfThenElse(mask, masked_load(mask, d, x + i), lowest));
        });
    const VecF shift = hn::MaxOfLanes(d, largest);
    VecF sum = hn::Zero(d);
    for_vectors(
        n,
        [&](std::int64_t i) {
          const VecF e = exp_vector(hn::Sub(hn::LoadU(d, x + i), shift));
          sum = hn::Add(sum, e);
          hn::StoreU(e, d, y + i);
        },
        [&](std::int64_t i, std::size_t count) {
          const auto mask = hn::FirstN(d, count);
          const VecF e =
              hn::IfThenElseZero(mask, exp_vector(hn::Sub(masked_load(mask, d, x + i), shift)));
          sum = hn::Add(sum, e);
          blended_store(e, mask, d, y + i);
        });
    const VecF inverse = hn::Div(hn::Set(d, 1.0f), hn::SumOfLanes(d, sum));
    map_vectors(y, y, n, [&](VecF v) { return hn::Mul(v, inverse); });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_softmax);

Kernel cpu_kernel_softmax() {
  Kernel kernel{{"cpu.softmax", "one row at a time"}, "softmax", RowRule::rows, 10};
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_softmax)(call); };
  return kernel;
}

}  // namespace hone
#endif
