// MASE's own MX formats. The axis `block_dim` is moved last and the numbers cut into runs of
// `block_size`, across the ends of the axis where it does not divide.
#pragma once

#include <memory>

#include "hone/numerics/detail/mase_rules.hpp"
#include "hone/numerics/format.hpp"

namespace hone::mase {

struct MxOptions {
  std::int64_t block_size = 32;
  std::int64_t block_dim = -1;
};

struct MxIntOptions : MxOptions {
  int width = 8;
  int scale_bits = 8;
  bool quantile_search = false;
};

std::unique_ptr<const Quantizer> make_mxint(const MxIntOptions& options);
std::unique_ptr<const Quantizer> make_mxfp(const MxOptions& options, int exponent_width,
                                           int fraction);

}  // namespace hone::mase
