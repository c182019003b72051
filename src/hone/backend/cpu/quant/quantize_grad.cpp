// quantize_grad: the format's own gradient.
#include "hone/backend/cpu/detail/bound_quantizer.hpp"

namespace hone {

Kernel cpu_kernel_quantize_grad() {
  Kernel kernel{
      {"cpu.quantize_grad", "the format's own gradient"}, "quantize_grad", RowRule::rows, 10};
  kernel.bind = bind_node_quantizer;
  kernel.run = [](const KernelCall& call) {
    bound_quantizer(call).gradient(call.in(0).as(), call.in(1).as(), call.out(0).as(),
                                   call.in(0).rows(), call.in(0).columns());
  };
  return kernel;
}

}  // namespace hone
