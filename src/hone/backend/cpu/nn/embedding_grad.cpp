// embedding_grad, dense: each thread owns a range of columns, so that no two write the same sum and
// the order of additions does not depend on the threads.
#include <algorithm>

#include "hone/backend/kernel.hpp"
#include "hone/core/threads.hpp"

namespace hone {
namespace {
namespace embedding_grad_kernel {

void run(const KernelCall& call) {
  const std::int64_t n = call.in(0).columns();
  const std::int32_t* ids = call.in(1).as<std::int32_t>();
  const float* dy = call.in(2).as();
  float* to = call.out(0).as();
  const std::int64_t padding = call.attributes->integer("padding");
  parallel_ranges(n, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t v = 0; v < call.out(0).rows(); ++v)
      std::fill(to + v * n + begin, to + v * n + end, 0.0f);
    for (std::int64_t r = 0; r < call.in(1).rows(); ++r) {
      if (ids[r] == padding) continue;
      float* sum = to + ids[r] * n;
      const float* row = dy + r * n;
      for (std::int64_t j = begin; j < end; ++j) sum[j] += row[j];
    }
  });
}

}  // namespace embedding_grad_kernel
}  // namespace

Kernel cpu_kernel_embedding_grad() {
  using namespace embedding_grad_kernel;
  Kernel kernel{{"cpu.embedding_grad", "each thread sums a range of columns"},
                "embedding_grad",
                RowRule::whole,
                10};
  kernel.run = run;
  return kernel;
}

}  // namespace hone
