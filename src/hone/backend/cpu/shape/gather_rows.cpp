// gather_rows: copies rows of 32-bit elements.
#include <cstring>

#include <fmt/format.h>

#include "hone/backend/kernel.hpp"
#include "hone/core/error.hpp"

namespace hone {
namespace {
namespace gather_rows_kernel {

std::string refuse(const KernelQuery& query) {
  return size_of(query.graph.type(query.node.inputs[0]).dtype) == 4
             ? ""
             : "elements are not 32 bits wide";
}

void run(const KernelCall& call) {
  const std::int64_t n = call.in(0).columns();
  for (std::int64_t i = 0; i < call.in(1).rows(); ++i) {
    const std::int32_t row = call.in(1).as<std::int32_t>()[i];
    if (row < 0 || row >= call.in(0).rows())
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("[gather_rows] row {} is outside the {} rows", row, call.in(0).rows()));
    std::memcpy(call.out(0).as() + i * n, call.in(0).as() + row * n,
                static_cast<std::size_t>(n) * sizeof(float));
  }
}

}  // namespace gather_rows_kernel
}  // namespace

Kernel cpu_kernel_gather_rows() {
  using namespace gather_rows_kernel;
  Kernel kernel{{"cpu.gather_rows", "copies rows"}, "gather_rows", RowRule::rows, 10};
  kernel.refuse = refuse;
  kernel.run = run;
  return kernel;
}

}  // namespace hone
