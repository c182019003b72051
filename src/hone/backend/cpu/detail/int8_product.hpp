// linear_int8's weights as its kernels read them, and the kernels' shared parts.
#pragma once

#include "hone/backend/cpu/detail/bound_quantizer.hpp"
#include "hone/ops/detail/int8.hpp"

namespace hone {

// Outputs of one panel: the 32-bit lanes of the widest vectors.
inline constexpr std::int64_t int8_panel = 16;

// What begin() writes into the workspace, in this order; N is rounded up to whole panels.
//   codes   i8 [N / 16][K / 4][16][4]
//   sums    i32[blocks][N]   of the codes of a block
//   scales  f32[blocks][N]
//   zeros   i32[N]
struct Int8Weights {
  std::int8_t* codes;
  std::int32_t* sums;
  float* scales;
  std::int32_t* zeros;
};

struct BoundInt8 {
  Int8Product product;
  BoundPacked packed;
  std::int64_t outputs = 0, padded_outputs = 0, padded_columns = 0;

  std::size_t workspace_bytes() const;
  Int8Weights weights(std::byte* workspace) const;
};

std::shared_ptr<const void> bind_node_int8(const KernelQuery& query);
std::size_t int8_workspace(const KernelQuery& query);
// Kernel::begin: each thread encodes a share of the panels.
void begin_int8(const KernelCall& call);

}  // namespace hone
