// linear by small products: the transposed weight is packed once a run, then each tile of rows
// meets panels of 64 outputs that stay in cache.
#include <cstring>

#include "hone/backend/cpu/detail/gemm.hpp"
#include "hone/backend/kernel.hpp"

namespace hone {
namespace {

constexpr std::int64_t panel = 64;

std::size_t workspace(const KernelQuery& query) {
  return static_cast<std::size_t>(element_count(query.input_shape(1))) * sizeof(float);
}

// Each thread packs a share of the panels: [k, panel] after [k, panel].
void begin(const KernelCall& call) {
  const std::int64_t n = call.in(1).dims[0];
  const std::int64_t k = call.in(1).dims[1];
  auto* packed = reinterpret_cast<float*>(call.workspace);
  const std::int64_t panels = (n + panel - 1) / panel;
  for (std::int64_t p = panels * call.thread / call.threads;
       p < panels * (call.thread + 1) / call.threads; ++p) {
    const std::int64_t columns = std::min(panel, n - p * panel);
    transpose_into(call.in(1).as() + p * panel * k, columns, k, k, packed + p * panel * k, columns,
                   1.0f);
  }
}

void run(const KernelCall& call) {
  const std::int64_t rows = call.in(0).rows();
  const std::int64_t n = call.in(1).dims[0];
  const std::int64_t k = call.in(1).dims[1];
  const auto* packed = reinterpret_cast<const float*>(call.workspace);
  float* y = call.out(0).as();
  for (std::int64_t p = 0; p < n; p += panel) {
    const std::int64_t columns = std::min(panel, n - p);
    // The bias is what the product adds to.
    if (call.has(2))
      for (std::int64_t r = 0; r < rows; ++r)
        std::memcpy(y + r * n + p, call.in(2).as() + p,
                    static_cast<std::size_t>(columns) * sizeof(float));
    gemm({rows, columns, k, k, columns, n, false, call.has(2)}, call.in(0).as(), packed + p * k,
         y + p);
  }
}

}  // namespace

Kernel cpu_kernel_linear() {
  Kernel kernel{{"cpu.linear", "packed weight panels, small products, bias first"},
                "linear",
                RowRule::rows,
                10};
  kernel.workspace = workspace;
  kernel.begin = begin;
  kernel.begin_once = true;
  kernel.run = run;
  return kernel;
}

}  // namespace hone
