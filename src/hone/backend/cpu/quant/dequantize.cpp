// dequantize: rows shared among the threads.
#include <cstring>

#include "hone/backend/cpu/detail/bound_quantizer.hpp"
#include "hone/core/threads.hpp"
#include "hone/numerics/detail/quantizers.hpp"

namespace hone {
namespace {
namespace dequantize_kernel {

void run(const KernelCall& call) {
  const auto& bound = *static_cast<const BoundPacked*>(call.bound);
  const PackedTensor packed =
      bound.view(call.in(0), call.inputs.size() > 1 ? &call.in(1) : nullptr);
  // (Filters are decoded as a whole: their rows are not those of the tensor.)
  if (packed_rows(*call.attributes) != TensorRows::last) {
    const Tensor whole = bound.quantizer->unpack(packed);
    if (whole.size() > 0) std::memcpy(call.out(0).data, whole.data(), whole.bytes());
    return;
  }
  const MatrixView view = matrix_view(bound.shape);
  parallel_ranges(view.rows, [&](std::int64_t from, std::int64_t to, int) {
    if (from < to)
      bound.quantizer->unpack_rows(packed, from, to - from, call.out(0).as() + from * view.columns);
  });
}

}  // namespace dequantize_kernel
}  // namespace

Kernel cpu_kernel_dequantize() {
  using namespace dequantize_kernel;
  Kernel kernel{
      {"cpu.dequantize", "decodes rows on all threads"}, "dequantize", RowRule::whole, 10};
  kernel.bind = bind_node_packed;
  kernel.run = run;
  return kernel;
}

}  // namespace hone
