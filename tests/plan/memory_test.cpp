#include "hone/plan/memory.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "hone/core/philox.hpp"

namespace hone_test {
namespace {

using namespace hone;

bool meet(const MemoryBlock& a, const MemoryBlock& b) {
  return a.begin <= b.end && b.begin <= a.end;
}

std::int64_t padded(std::int64_t bytes) { return (bytes + 63) / 64 * 64; }

// No placement needs less than the most that is alive at one time.
std::int64_t most_alive(const std::vector<MemoryBlock>& blocks) {
  std::int64_t most = 0;
  for (const MemoryBlock& at : blocks) {
    std::int64_t alive = 0;
    for (const MemoryBlock& block : blocks)
      if (block.begin <= at.begin && at.begin <= block.end) alive += padded(block.bytes);
    most = std::max(most, alive);
  }
  return most;
}

void check_placement(std::vector<MemoryBlock> blocks) {
  const std::int64_t total = place_blocks(blocks);
  std::int64_t sum = 0;
  std::int64_t last = 0;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const MemoryBlock& a = blocks[i];
    ASSERT_GE(a.offset, 0);
    ASSERT_EQ(a.offset % 64, 0);
    sum += padded(a.bytes);
    last = std::max(last, a.offset + a.bytes);
    for (std::size_t j = 0; j < i; ++j) {
      const MemoryBlock& b = blocks[j];
      if (!meet(a, b) || a.bytes == 0 || b.bytes == 0) continue;
      ASSERT_TRUE(a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset)
          << "blocks " << i << " and " << j;
    }
  }
  ASSERT_GE(total, last);
  ASSERT_GE(total, most_alive(blocks));
  ASSERT_LE(total, sum) << "worse than no sharing at all";
}

TEST(PlaceBlocks, RandomLifetimes) {
  RandomStream random(1, 2);
  std::int64_t placed = 0;
  std::int64_t bound = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<MemoryBlock> blocks(random.below(60));
    for (MemoryBlock& block : blocks) {
      block.bytes = random.below(5) == 0 ? random.below(100) : random.below(100000);
      block.begin = static_cast<int>(random.below(40));
      block.end = block.begin + static_cast<int>(random.below(random.below(4) == 0 ? 40 : 4));
    }
    check_placement(blocks);
    if (HasFatalFailure()) return;
    bound += most_alive(blocks);
    placed += place_blocks(blocks);
  }
  // First fit by size stays near the lower bound.
  EXPECT_LE(static_cast<double>(placed), 1.1 * static_cast<double>(bound));
}

TEST(PlaceBlocks, EdgeCases) {
  std::vector<MemoryBlock> none_at_all;
  EXPECT_EQ(place_blocks(none_at_all), 0);
  std::vector<MemoryBlock> empty{{0, 0, 5}, {0, 0, 5}};
  EXPECT_EQ(place_blocks(empty), 0);
  // One after the other: the same place.
  std::vector<MemoryBlock> chain{{100, 0, 1}, {100, 2, 3}, {100, 4, 4}};
  EXPECT_EQ(place_blocks(chain), 128);
  // Both ends are included: blocks that touch in time are apart in memory.
  std::vector<MemoryBlock> touching{{64, 0, 1}, {64, 1, 2}};
  EXPECT_EQ(place_blocks(touching), 128);
  // A small block fits into the gap that a dead one leaves.
  std::vector<MemoryBlock> gap{{640, 0, 2}, {320, 0, 0}, {64, 1, 2}};
  EXPECT_EQ(place_blocks(gap), 960);
}

TEST(PlaceBlocks, TheSameBlocksGetTheSamePlaces) {
  std::vector<MemoryBlock> a{{100, 0, 3}, {100, 1, 2}, {100, 2, 5}, {50, 0, 9}};
  std::vector<MemoryBlock> b = a;
  place_blocks(a);
  place_blocks(b);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].offset, b[i].offset);
}

}  // namespace
}  // namespace hone_test
