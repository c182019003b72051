// quantize_learned_grad: one pass over a tile.
#include "hone/backend/kernel.hpp"
#include "hone/ops/detail/learned.hpp"

namespace hone {
namespace {
namespace quantize_learned_grad_kernel {

void run(const KernelCall& call) {
  const LearnedGrid grid(*call.attributes, call.in(1).as()[0]);
  const float inverse = 1.0f / grid.step;
  const float* x = call.in(0).as();
  const float* dy = call.in(2).as();
  float* dx = call.out(0).as();
  const std::int64_t count = call.in(0).size();
  for (std::int64_t i = 0; i < count; ++i) {
    const float v = x[i] * inverse;
    dx[i] = v > grid.low && v < grid.high ? dy[i] : 0.0f;
  }
}

}  // namespace quantize_learned_grad_kernel
}  // namespace

Kernel cpu_kernel_quantize_learned_grad() {
  using namespace quantize_learned_grad_kernel;
  Kernel kernel{{"cpu.quantize_learned_grad", "one pass over a tile"},
                "quantize_learned_grad",
                RowRule::rows,
                10};
  kernel.run = run;
  return kernel;
}

}  // namespace hone
