// quantize_step_grad: one pass over a tile.
#include "hone/backend/kernel.hpp"
#include "hone/ops/detail/learned.hpp"

namespace hone {
namespace {
namespace quantize_step_grad_kernel {

void run(const KernelCall& call) {
  const LearnedGrid grid(*call.attributes, call.in(1).as()[0]);
  const float* x = call.in(0).as();
  const float* dy = call.in(2).as();
  double sum = 0;
  const std::int64_t count = call.in(0).size();
  for (std::int64_t i = 0; i < count; ++i) sum += static_cast<double>(grid.slope(x[i])) * dy[i];
  const double scale = step_gradient_scale(static_cast<double>(call.attributes->integer("count")),
                                           static_cast<double>(grid.high));
  float& to = call.out(0).as()[0];
  to = (call.accumulate ? to : 0.0f) + static_cast<float>(sum * scale);
}

}  // namespace quantize_step_grad_kernel
}  // namespace

Kernel cpu_kernel_quantize_step_grad() {
  using namespace quantize_step_grad_kernel;
  Kernel kernel{{"cpu.quantize_step_grad", "one pass over a tile"},
                "quantize_step_grad",
                RowRule::reduce,
                10};
  kernel.run = run;
  return kernel;
}

}  // namespace hone
