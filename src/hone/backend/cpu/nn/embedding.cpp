// embedding: copies rows.
#include <cstring>

#include <fmt/format.h>

#include "hone/backend/kernel.hpp"
#include "hone/core/error.hpp"

namespace hone {
namespace {
namespace embedding_kernel {

void run(const KernelCall& call) {
  const std::int64_t n = call.in(0).columns();
  const std::int32_t* ids = call.in(1).as<std::int32_t>();
  for (std::int64_t r = 0; r < call.in(1).rows(); ++r) {
    if (ids[r] < 0 || ids[r] >= call.in(0).rows())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("[embedding] id {} at row {} is outside the table of {} rows", ids[r],
                              call.first_row + r, call.in(0).rows()));
    std::memcpy(call.out(0).as() + r * n, call.in(0).as() + ids[r] * n,
                static_cast<std::size_t>(n) * sizeof(float));
  }
}

}  // namespace embedding_kernel
}  // namespace

Kernel cpu_kernel_embedding() {
  using namespace embedding_kernel;
  Kernel kernel{{"cpu.embedding", "copies rows"}, "embedding", RowRule::rows, 10};
  kernel.run = run;
  return kernel;
}

}  // namespace hone
