// embedding_packed: decodes the rows that are looked up.
#include <fmt/format.h>

#include "hone/backend/cpu/detail/bound_quantizer.hpp"
#include "hone/core/error.hpp"

namespace hone {
namespace {
namespace embedding_packed_kernel {

void run(const KernelCall& call) {
  const auto& bound = *static_cast<const BoundPacked*>(call.bound);
  const PackedTensor packed =
      bound.view(call.in(1), call.inputs.size() > 2 ? &call.in(2) : nullptr);
  const std::int64_t n = bound.shape[1];
  const std::int32_t* ids = call.in(0).as<std::int32_t>();
  for (std::int64_t r = 0; r < call.in(0).rows(); ++r) {
    if (ids[r] < 0 || ids[r] >= bound.shape[0])
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("[embedding_packed] id {} at row {} is outside the table of {} rows",
                              ids[r], call.first_row + r, bound.shape[0]));
    bound.quantizer->unpack_rows(packed, ids[r], 1, call.out(0).as() + r * n);
  }
}

}  // namespace embedding_packed_kernel
}  // namespace

Kernel cpu_kernel_embedding_packed() {
  using namespace embedding_packed_kernel;
  Kernel kernel{{"cpu.embedding_packed", "decodes the rows that are looked up"},
                "embedding_packed",
                RowRule::rows,
                10};
  kernel.bind = bind_node_packed;
  kernel.run = run;
  return kernel;
}

}  // namespace hone
