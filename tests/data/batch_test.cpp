#include "hone/data/batch.hpp"

#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>

#include "hone/data/dataset.hpp"
#include "support/expect_error.hpp"

namespace hone {
namespace {

using Numbers = std::vector<std::int64_t>;

const TokenizedData four{
    {10, 20, 21, 30, 31, 32, 40, 41}, {0, 1, 3, 6, 8}, {0, 1, 1, 0}, {"a", "b"}};

TEST(EpochOrder, IsAPermutationThatDependsOnSeedAndEpoch) {
  const Numbers order = epoch_order(1000, 3, 0);
  Numbers sorted = order;
  std::sort(sorted.begin(), sorted.end());
  Numbers all(1000);
  std::iota(all.begin(), all.end(), std::int64_t{0});
  EXPECT_EQ(sorted, all);
  EXPECT_EQ(order, epoch_order(1000, 3, 0));
  EXPECT_NE(order, epoch_order(1000, 3, 1));
  EXPECT_NE(order, epoch_order(1000, 4, 0));
  EXPECT_TRUE(epoch_order(0, 1, 0).empty());
  EXPECT_EQ(epoch_order(1, 1, 0), (Numbers{0}));
}

TEST(EpochOrder, EveryPlaceIsEquallyLikely) {
  // Where sample 0 of 5 lands in 5,000 epochs: 1,000 each, give or take five standard deviations.
  std::vector<int> counts(5);
  for (std::int64_t epoch = 0; epoch < 5000; ++epoch) {
    const Numbers order = epoch_order(5, 1, epoch);
    ++counts[static_cast<std::size_t>(std::find(order.begin(), order.end(), 0) - order.begin())];
  }
  for (const int count : counts) EXPECT_NEAR(count, 1000, 142);
}

TEST(SortedByLength, LongestFirst) { EXPECT_EQ(sorted_by_length(four), (Numbers{2, 1, 3, 0})); }

TEST(CutBatches, KeepsToBothLimits) {
  const Numbers order{0, 1, 2, 3};
  const auto batches = cut_batches(four, order, 3);
  EXPECT_EQ(batches, (std::vector<Numbers>{{0, 1}, {2}, {3}}));
  EXPECT_EQ(cut_batches(four, order, 100, 3), (std::vector<Numbers>{{0, 1, 2}, {3}}));
  EXPECT_EQ(cut_batches(four, order, 1), (std::vector<Numbers>{{0}, {1}, {2}, {3}}))
      << "too long ones are alone";
  EXPECT_TRUE(cut_batches(four, {}, 10).empty());
  EXPECT_ERROR(cut_batches(four, Numbers{0, 4}, 10), ErrorCode::invalid_argument,
               "sample 4 does not exist");
  // Without elements of their own, samples count one each.
  EXPECT_EQ(cut_batches({.samples = 3}, Numbers{2, 0, 1}, 2), (std::vector<Numbers>{{2, 0}, {1}}));
  EXPECT_ERROR(cut_batches(four, order, 0), ErrorCode::invalid_argument, "0 elements");
}

}  // namespace
}  // namespace hone
