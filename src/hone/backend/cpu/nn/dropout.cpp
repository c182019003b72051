#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/dropout.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/cpu/detail/math-inl.hpp"
#include "hone/backend/kernel.hpp"
#include "hone/ops/detail/common.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

void run_dropout(const KernelCall& call) {
  const std::int64_t n = call.in(0).columns();
  const std::uint32_t threshold = dropout_threshold(call.attributes->real("p"));
  const auto stream = static_cast<std::uint32_t>(call.attributes->integer("stream"));
  const auto* rng = call.in(1).as<std::uint32_t>();
  const std::int32_t* rows = call.has(2) ? call.in(2).as<std::int32_t>() : nullptr;
  const F32 d;
  const VecF factor = hn::Set(d, dropout_scale(threshold));
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t r = 0; r < call.in(0).rows(); ++r) {
    const float* x = call.in(0).as() + r * n;
    float* y = call.out(0).as() + r * n;
    const auto row = static_cast<std::uint32_t>(rows != nullptr ? rows[r] : call.first_row + r);
    for_dropout_columns(
        n, row, stream, rng, threshold, [&](std::int64_t column, auto keep, std::int64_t count) {
          if (count == lanes) {
            hn::StoreU(hn::IfThenElseZero(keep, hn::Mul(hn::LoadU(d, x + column), factor)), d,
                       y + column);
          } else {
            const auto mask = hn::FirstN(d, static_cast<std::size_t>(count));
            const VecF value = hn::Mul(masked_load(mask, d, x + column), factor);
            blended_store(hn::IfThenElseZero(keep, value), mask, d, y + column);
          }
        });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_dropout);

Kernel cpu_kernel_dropout() {
  Kernel kernel{{"cpu.dropout", "mask drawn where it is used"}, "dropout", RowRule::rows, 10};
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_dropout)(call); };
  return kernel;
}

}  // namespace hone
#endif
