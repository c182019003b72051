#include "hone/plan/memory.hpp"

#include <algorithm>
#include <numeric>

#include "hone/core/round_up.hpp"

namespace hone {

std::int64_t place_blocks(std::vector<MemoryBlock>& blocks) {
  std::vector<std::size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return blocks[a].bytes > blocks[b].bytes; });
  const auto padded = [](std::int64_t bytes) { return round_up(bytes, 64); };
  std::vector<std::size_t> placed;  // by offset
  std::int64_t total = 0;
  for (std::size_t index : order) {
    MemoryBlock& block = blocks[index];
    std::int64_t offset = 0;
    for (std::size_t other_index : placed) {
      const MemoryBlock& other = blocks[other_index];
      if (other.end < block.begin || block.end < other.begin) continue;
      if (offset + padded(block.bytes) <= other.offset) break;
      offset = std::max(offset, other.offset + padded(other.bytes));
    }
    block.offset = offset;
    total = std::max(total, offset + padded(block.bytes));
    placed.insert(std::upper_bound(placed.begin(), placed.end(), index,
                                   [&](std::size_t a, std::size_t b) {
                                     return blocks[a].offset < blocks[b].offset;
                                   }),
                  index);
  }
  return total;
}

}  // namespace hone
