#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/adapted_norm.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "hone/backend/cpu/detail/math-inl.hpp"
#include "hone/backend/kernel.hpp"
#include "hone/ops/detail/lora.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// Row by row: the path is added to the row in vectors, then its squares are summed.
void run_adapted_norm(const KernelCall& call) {
  const F32 d;
  const std::int64_t k = call.in(1).dims[1];
  const std::int64_t rank = call.in(1).dims[0];
  const float* a = call.in(1).as();
  const auto factor = static_cast<float>(lora_factor(*call.attributes, rank));
  const auto value = [&](std::int64_t r, std::int64_t i, const auto& load) {
    VecF sum = hn::Zero(d);
    const float* b = call.in(2).as() + r * rank;
    for (std::int64_t j = 0; j < rank; ++j)
      sum = hn::MulAdd(hn::Set(d, b[j]), load(a + j * k + i), sum);
    return hn::MulAdd(hn::Set(d, factor), sum, load(call.in(0).as() + r * k + i));
  };
  for (std::int64_t r = 0; r < call.in(0).rows(); ++r) {
    VecF squares = hn::Zero(d);
    for_vectors(
        k,
        [&](std::int64_t i) {
          const VecF v = value(r, i, [&](const float* from) { return hn::LoadU(d, from); });
          squares = hn::MulAdd(v, v, squares);
        },
        [&](std::int64_t i, std::size_t count) {
          const auto mask = hn::FirstN(d, count);
          const VecF v = value(r, i, [&](const float* from) { return masked_load(mask, d, from); });
          squares = hn::MulAdd(v, v, squares);
        });
    const float sum = hn::GetLane(hn::SumOfLanes(d, squares));
    call.out(0).as()[r] = sum == 0 ? std::numeric_limits<float>::infinity() : std::sqrt(sum);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_adapted_norm);

Kernel cpu_kernel_adapted_norm() {
  Kernel kernel{
      {"cpu.adapted_norm", "rows in vectors, nothing kept"}, "adapted_norm", RowRule::rows, 10};
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_adapted_norm)(call); };
  return kernel;
}

}  // namespace hone
#endif
