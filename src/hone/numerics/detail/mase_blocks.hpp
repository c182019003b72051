// MASE's block formats: how it cuts tensors into blocks, and what it makes of each number.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hone/core/options.hpp"
#include "hone/numerics/format.hpp"

namespace hone::mase {

enum class BlockKind { fp, minifloat, log };

struct BlockOptions {
  std::string format;  // for messages
  BlockKind kind = BlockKind::fp;
  int width = 8;
  int exponent_width = 8;
  int exponent_bias = 127;
  int exponent_bias_width = 8;
  std::vector<std::int64_t> block_size{16};
  bool skip_first_dim = false;
};

std::unique_ptr<const Quantizer> make_block_quantizer(const BlockOptions& options);

}  // namespace hone::mase
