// matmul by small products over panels of 64 columns.
#include "hone/backend/cpu/detail/gemm.hpp"
#include "hone/backend/kernel.hpp"

namespace hone {
namespace {
namespace matmul_kernel {

void run(const KernelCall& call) {
  constexpr std::int64_t panel = 64;
  const std::int64_t rows = call.in(0).rows();
  const std::int64_t k = call.in(1).dims[0];
  const std::int64_t n = call.in(1).dims[1];
  for (std::int64_t p = 0; p < n; p += panel) {
    const std::int64_t columns = std::min(panel, n - p);
    gemm({rows, columns, k, k, n, n}, call.in(0).as(), call.in(1).as() + p, call.out(0).as() + p);
  }
}

}  // namespace matmul_kernel
}  // namespace

Kernel cpu_kernel_matmul() {
  using namespace matmul_kernel;
  Kernel kernel{{"cpu.matmul", "small products"}, "matmul", RowRule::rows, 10};
  kernel.run = run;
  return kernel;
}

}  // namespace hone
