// quantize_tensor: the format's kernel on the whole tensor; several such tensors run side by side.
#include <cstring>

#include "hone/backend/cpu/detail/bound_quantizer.hpp"

namespace hone {
namespace {
namespace quantize_tensor_kernel {

void run(const KernelCall& call) {
  const Tensor y = bound_quantizer(call).quantize(as_tensor(call.in(0)));
  if (y.size() > 0) std::memcpy(call.out(0).data, y.data(), y.bytes());
}

}  // namespace quantize_tensor_kernel
}  // namespace

Kernel cpu_kernel_quantize_tensor() {
  using namespace quantize_tensor_kernel;
  Kernel kernel{{"cpu.quantize_tensor", "the format's kernel, one thread a tensor"},
                "quantize_tensor",
                RowRule::whole,
                10};
  kernel.bind = bind_node_quantizer;
  kernel.serial = true;
  kernel.run = run;
  return kernel;
}

}  // namespace hone
