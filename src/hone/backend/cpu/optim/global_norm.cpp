// global_norm: every thread sums a range of each gradient in double precision.
#include <cmath>
#include <vector>

#include "hone/backend/kernel.hpp"
#include "hone/core/threads.hpp"

namespace hone {
namespace {
namespace global_norm_kernel {

// Eight partial sums in double: exact enough for millions of squares, and vectorised.
double sum_of_squares(const float* g, std::int64_t n) {
  double sum[8] = {};
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int j = 0; j < 8; ++j) sum[j] += static_cast<double>(g[i + j]) * g[i + j];
  for (; i < n; ++i) sum[0] += static_cast<double>(g[i]) * g[i];
  return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

void run(const KernelCall& call) {
  const int threads = thread_count();
  std::vector<double> partial(static_cast<std::size_t>(threads) * 8, 0.0);  // a cache line each
  parallel_ranges(threads, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t t = first; t < last; ++t) {
      double sum = 0;
      for (std::size_t i = 1; i < call.inputs.size(); ++i) {
        std::int64_t size = call.in(i).size();
        if (i == 1 && call.has(0)) size = call.in(0).as<std::int32_t>()[0] * call.in(1).columns();
        const std::int64_t begin = size * t / threads;
        sum += sum_of_squares(call.in(i).as() + begin, size * (t + 1) / threads - begin);
      }
      partial[static_cast<std::size_t>(t) * 8] = sum;
    }
  });
  double total = 0;
  for (double sum : partial) total += sum;
  call.out(0).as()[0] = static_cast<float>(std::sqrt(total));
}

}  // namespace global_norm_kernel
}  // namespace

Kernel cpu_kernel_global_norm() {
  using namespace global_norm_kernel;
  Kernel kernel{
      {"cpu.global_norm", "a range of each gradient a thread"}, "global_norm", RowRule::whole, 10};
  kernel.run = run;
  return kernel;
}

}  // namespace hone
