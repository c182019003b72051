#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/layer_norm.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include <cmath>
#include <limits>

#include "hone/backend/cpu/detail/math-inl.hpp"
#include "hone/backend/kernel.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

void run_layer_norm(const KernelCall& call) {
  const F32 d;
  const std::int64_t n = call.in(0).columns();
  const auto epsilon = call.attributes->real("epsilon");
  const float* gamma = call.in(1).as();
  const float* beta = call.in(2).as();
  for (std::int64_t r = 0; r < call.in(0).rows(); ++r) {
    const float* x = call.in(0).as() + r * n;
    float* y = call.out(0).as() + r * n;
    VecF sum = hn::Zero(d);
    for_vectors(
        n, [&](std::int64_t i) { sum = hn::Add(sum, hn::LoadU(d, x + i)); },
        [&](std::int64_t i, std::size_t count) {
          sum = hn::Add(sum, masked_load(hn::FirstN(d, count), d, x + i));
        });
    const float mean = hn::GetLane(hn::SumOfLanes(d, sum)) / static_cast<float>(n);
    const VecF center = hn::Set(d, mean);
    VecF squares = hn::Zero(d);
    for_vectors(
        n,
        [&](std::int64_t i) {
          const VecF v = hn::Sub(hn::LoadU(d, x + i), center);
          squares = hn::MulAdd(v, v, squares);
        },
        [&](std::int64_t i, std::size_t count) {
          const auto mask = hn::FirstN(d, count);
          const VecF v = hn::IfThenElseZero(mask, hn::Sub(masked_load(mask, d, x + i), center));
          squares = hn::MulAdd(v, v, squares);
        });
    const double variance = hn::GetLane(hn::SumOfLanes(d, squares)) / static_cast<double>(n);
    // Infinite squares would make rstd 0 and the row `beta`: an overflow that nothing shows.
    const float rstd = std::isfinite(variance)
                           ? static_cast<float>(1.0 / std::sqrt(variance + epsilon))
                           : std::numeric_limits<float>::quiet_NaN();
    const VecF factor = hn::Set(d, rstd);
    const auto normalize = [&](VecF v, VecF g, VecF b) {
      return hn::MulAdd(hn::Mul(hn::Sub(v, center), factor), g, b);
    };
    for_vectors(
        n,
        [&](std::int64_t i) {
          hn::StoreU(
              normalize(hn::LoadU(d, x + i), hn::LoadU(d, gamma + i), hn::LoadU(d, beta + i)), d,
              y + i);
        },
        [&](std::int64_t i, std::size_t count) {
          const auto mask = hn::FirstN(d, count);
          blended_store(normalize(masked_load(mask, d, x + i), masked_load(mask, d, gamma + i),
                                  masked_load(mask, d, beta + i)),
                        mask, d, y + i);
        });
    call.out(1).as()[r] = mean;
    call.out(2).as()[r] = rstd;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_layer_norm);

Kernel cpu_kernel_layer_norm() {
  Kernel kernel{
      {"cpu.layer_norm", "two passes over a row in cache"}, "layer_norm", RowRule::rows, 10};
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_layer_norm)(call); };
  return kernel;
}

}  // namespace hone
#endif
