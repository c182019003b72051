// matmul_tn (weight gradients) by small products that add one tile of rows after another.
#include <algorithm>

#include "hone/backend/cpu/detail/gemm.hpp"
#include "hone/backend/kernel.hpp"

namespace hone {
namespace {
namespace matmul_tn_kernel {

void run(const KernelCall& call) {
  constexpr std::int64_t panel = 64;
  const std::int64_t rows = call.in(0).rows();
  const std::int64_t m = call.in(0).columns();
  const std::int64_t n = call.in(1).columns();
  float* to = call.out(0).as();
  if (rows == 0) {
    if (!call.accumulate) std::fill(to, to + m * n, 0.0f);
    return;
  }
  for (std::int64_t p = 0; p < n; p += panel)
    gemm({m, std::min(panel, n - p), rows, m, n, n, true, call.accumulate}, call.in(0).as(),
         call.in(1).as() + p, to + p);
}

}  // namespace matmul_tn_kernel
}  // namespace

Kernel cpu_kernel_matmul_tn() {
  using namespace matmul_tn_kernel;
  Kernel kernel{
      {"cpu.matmul_tn", "small products, one sum a thread"}, "matmul_tn", RowRule::reduce, 10};
  kernel.run = run;
  return kernel;
}

}  // namespace hone
