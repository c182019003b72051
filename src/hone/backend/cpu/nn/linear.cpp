// linear by small products: the transposed weight is packed once a run, then each tile of rows
// meets panels of outputs that stay in cache.
#include <algorithm>
#include <cstring>

#include "hone/backend/cpu/detail/gemm.hpp"
#include "hone/backend/kernel.hpp"

namespace hone {
namespace {
namespace linear_kernel {

// Threads share the packing by so many outputs.
constexpr std::int64_t chunk = 64;
// Of a panel: it stays in the second cache.
constexpr std::int64_t panel_bytes = 256 << 10;

std::int64_t panel_outputs(std::int64_t inputs) {
  const std::int64_t row =
      std::max<std::int64_t>(1, inputs) * static_cast<std::int64_t>(sizeof(float));
  return std::max<std::int64_t>(1, panel_bytes / row / chunk) * chunk;
}

std::size_t workspace(const KernelQuery& query) {
  return static_cast<std::size_t>(element_count(query.input_shape(1))) * sizeof(float);
}

// Panels [k, outputs] one after the other.
void begin(const KernelCall& call) {
  const std::int64_t n = call.in(1).dims[0];
  const std::int64_t k = call.in(1).dims[1];
  auto* packed = reinterpret_cast<float*>(call.workspace);
  const std::int64_t panel = panel_outputs(k);
  const std::int64_t chunks = (n + chunk - 1) / chunk;
  for (std::int64_t c = chunks * call.thread / call.threads;
       c < chunks * (call.thread + 1) / call.threads; ++c) {
    const std::int64_t first = c * chunk;
    const std::int64_t start = first / panel * panel;
    transpose_into(call.in(1).as() + first * k, std::min(chunk, n - first), k, k,
                   packed + start * k + (first - start), std::min(panel, n - start), 1.0f);
  }
}

void run(const KernelCall& call) {
  const std::int64_t rows = call.in(0).rows();
  const std::int64_t n = call.in(1).dims[0];
  const std::int64_t k = call.in(1).dims[1];
  const auto* packed = reinterpret_cast<const float*>(call.workspace);
  const std::int64_t panel = panel_outputs(k);
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

}  // namespace linear_kernel
}  // namespace

Kernel cpu_kernel_linear() {
  using namespace linear_kernel;
  Kernel kernel{{"cpu.linear", "packed weight panels, small products, bias first"},
                "linear",
                RowRule::rows,
                10};
  kernel.workspace = workspace;
  kernel.begin = begin;
  kernel.begin_once = true;
  kernel.packed_input = 1;
  kernel.run = run;
  return kernel;
}

}  // namespace hone
