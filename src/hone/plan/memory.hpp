// Where tensors lie in one arena: offsets for blocks with known sizes and lifetimes.
#pragma once

#include <cstdint>
#include <vector>

namespace hone {

// A block that must stay intact from time `begin` to time `end`, both included.
struct MemoryBlock {
  std::int64_t bytes;
  int begin, end;
  std::int64_t offset = -1;  // the result
};

// Gives every block an offset (a multiple of 64) so that blocks whose lifetimes meet never overlap;
// largest blocks first, each at the lowest place that fits. Returns the bytes needed.
std::int64_t place_blocks(std::vector<MemoryBlock>& blocks);

}  // namespace hone
