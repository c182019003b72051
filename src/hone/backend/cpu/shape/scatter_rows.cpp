// scatter_rows: clears the rows in parallel, then adds the few that are named.
#include <algorithm>

#include "hone/backend/kernel.hpp"
#include "hone/core/threads.hpp"

namespace hone {
namespace {
namespace scatter_rows_kernel {

void run(const KernelCall& call) {
  const std::int64_t n = call.in(0).columns();
  float* to = call.out(0).as();
  parallel_ranges(call.out(0).rows(), [&](std::int64_t begin, std::int64_t end, int) {
    std::fill(to + begin * n, to + end * n, 0.0f);
  });
  const std::int32_t* rows = call.in(1).as<std::int32_t>();
  for (std::int64_t i = 0; i < call.in(1).rows(); ++i)
    for (std::int64_t j = 0; j < n; ++j) to[rows[i] * n + j] += call.in(0).as()[i * n + j];
}

}  // namespace scatter_rows_kernel
}  // namespace

Kernel cpu_kernel_scatter_rows() {
  using namespace scatter_rows_kernel;
  Kernel kernel{
      {"cpu.scatter_rows", "clears, then adds the named rows"}, "scatter_rows", RowRule::whole, 10};
  kernel.run = run;
  return kernel;
}

}  // namespace hone
