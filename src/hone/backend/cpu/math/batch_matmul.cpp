// Products of matrices, pair by pair: pieces of rows and columns, shared by the threads.
#include <algorithm>
#include <cstring>

#include "hone/backend/cpu/detail/gemm.hpp"
#include "hone/backend/kernel.hpp"
#include "hone/core/threads.hpp"

namespace hone {
namespace {
namespace batch_matmul_kernel {

constexpr std::int64_t piece_rows = 48, piece_columns = 64;

void run(const KernelCall& call) {
  const TensorView &a = call.in(0), &b = call.in(1), &y = call.out(0);
  if (y.size() == 0) return;
  const auto rank = static_cast<std::size_t>(y.rank);
  const std::int64_t m = y.dims[rank - 2], n = y.dims[rank - 1], k = a.dims[rank - 1];
  const std::int64_t pairs = y.size() / (m * n);
  const std::int64_t rows = (m + piece_rows - 1) / piece_rows;
  const std::int64_t columns = (n + piece_columns - 1) / piece_columns;
  parallel_items(pairs * rows * columns, [&](std::int64_t i, int) {
    const std::int64_t pair = i / (rows * columns), row = i / columns % rows * piece_rows;
    const std::int64_t column = i % columns * piece_columns;
    float* to = y.as() + (pair * m + row) * n + column;
    const std::int64_t height = std::min(piece_rows, m - row);
    const std::int64_t width = std::min(piece_columns, n - column);
    if (k == 0) {
      for (std::int64_t r = 0; r < height; ++r) std::fill(to + r * n, to + r * n + width, 0.0f);
      return;
    }
    gemm({height, width, k, k, n, n}, a.as() + (pair * m + row) * k, b.as() + pair * k * n + column,
         to);
  });
}

}  // namespace batch_matmul_kernel
}  // namespace

Kernel cpu_kernel_batch_matmul() {
  using namespace batch_matmul_kernel;
  Kernel kernel{
      {"cpu.batch_matmul", "small products of pieces"}, "batch_matmul", RowRule::whole, 10};
  kernel.refuse = refuse_other_than_f32;
  kernel.run = run;
  return kernel;
}

}  // namespace hone
