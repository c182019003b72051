// linear_int8 on any machine: sums of 16-bit products by the compiler's vectors. Exact like the
// others; not faster than float32 where the machine has no 8-bit dot products.
#include "hone/backend/cpu/detail/int8_product.hpp"

namespace hone {
namespace {

void run(const KernelCall& call) {
  const auto& bound = *static_cast<const BoundInt8*>(call.bound);
  const Int8Product& product = bound.product;
  const Int8Weights w = bound.weights(call.workspace);
  const std::int64_t n = bound.padded_outputs;
  const std::int64_t columns = bound.padded_columns;
  const std::int64_t stride = call.in(1).columns();
  for (std::int64_t r = 0; r < call.in(0).rows(); ++r) {
    const std::uint8_t* x = call.in(0).as<std::uint8_t>() + r * columns;
    const float* scales = call.in(1).as() + r * stride;
    const auto zero = static_cast<std::int32_t>(scales[stride - 1]);
    for (std::int64_t first = 0; first < n; first += int8_panel) {
      const std::int8_t* panel = w.codes + first * columns;
      float total[int8_panel] = {};
      for (std::int64_t b = 0; b < product.blocks(); ++b) {
        const std::int64_t from = b * product.block / 4;
        const std::int64_t to = std::min(columns, (b + 1) * product.block + 3) / 4;
        const std::int64_t count = std::min((b + 1) * product.block, product.columns) - from * 4;
        std::int32_t sums[int8_panel] = {};
        std::int32_t row_sum = 0;
        for (std::int64_t q = from; q < to; ++q) {
          for (int i = 0; i < 4; ++i) row_sum += q * 4 + i < product.columns ? x[q * 4 + i] : 0;
          for (std::int64_t j = 0; j < int8_panel; ++j)
            for (int i = 0; i < 4; ++i)
              sums[j] += x[q * 4 + i] * panel[(q * int8_panel + j) * 4 + i];
        }
        const float scale = scales[product.data_block(b)];
        for (std::int64_t j = 0; j < int8_panel; ++j) {
          const std::int32_t w_zero = w.zeros[first + j];
          const std::int32_t whole = sums[j] - zero * w.sums[b * n + first + j] -
                                     w_zero * (row_sum - static_cast<std::int32_t>(count) * zero);
          total[j] += static_cast<float>(whole) * (scale * w.scales[b * n + first + j]);
        }
      }
      float* y = call.out(0).as() + r * bound.outputs + first;
      for (std::int64_t j = 0; j < std::min(int8_panel, bound.outputs - first); ++j)
        y[j] = total[j] + (call.has(4) ? call.in(4).as()[first + j] : 0.0f);
    }
  }
}

}  // namespace

Kernel cpu_kernel_linear_int8() {
  Kernel kernel{{"cpu.linear_int8", "sums of whole numbers without 8-bit instructions: not faster"},
                "linear_int8",
                RowRule::rows,
                10};
  kernel.bind = bind_node_int8;
  kernel.workspace = int8_workspace;
  kernel.begin = begin_int8;
  kernel.begin_once = true;
  kernel.begin_inputs = 2;
  kernel.run = run;
  return kernel;
}

}  // namespace hone
