// quantize_learned: the vector kernel of evenly spaced numbers.
#include "hone/backend/kernel.hpp"
#include "hone/numerics/detail/grid_kernels.hpp"
#include "hone/ops/detail/learned.hpp"

namespace hone {

Kernel cpu_kernel_quantize_learned() {
  Kernel kernel{{"cpu.quantize_learned", "vector rounding"}, "quantize_learned", RowRule::rows, 10};
  kernel.run = [](const KernelCall& call) {
    const LearnedGrid grid(*call.attributes, call.in(1).as()[0]);
    quantize_values(
        UniformGrid{1.0f / grid.step, grid.step, grid.low, grid.high, Rounding::nearest},
        call.in(0).as(), call.out(0).as(), call.in(0).size(), Stores::cached);
  };
  return kernel;
}

}  // namespace hone
