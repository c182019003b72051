#include <gtest/gtest.h>

#include "hone/report/paired_test.hpp"

namespace hone {
namespace {

// scipy 1.17.1: binomtest(k, n, 0.5).pvalue.
TEST(McNemar, FewDiscordantSamplesByTheBinomial) {
  EXPECT_TRUE(mcnemar(11, 1).exact);
  EXPECT_NEAR(mcnemar(11, 1).p, 0.00634765625, 1e-14);
  EXPECT_NEAR(mcnemar(7, 17).p, 0.06391465663909912, 1e-14);
  EXPECT_NEAR(mcnemar(0, 5).p, 0.0625, 1e-14);
  EXPECT_EQ(mcnemar(0, 0).p, 1);
  EXPECT_EQ(mcnemar(6, 6).p, 1);
  EXPECT_TRUE(mcnemar(11, 1).differs());
  EXPECT_FALSE(mcnemar(0, 5).differs());
}

// scipy 1.17.1: chi2.sf((abs(b - c) - 1) ** 2 / (b + c), 1).
TEST(McNemar, ManyByChiSquareWithContinuityCorrection) {
  EXPECT_FALSE(mcnemar(30, 12).exact);
  EXPECT_NEAR(mcnemar(30, 12).p, 0.008711912962379598, 1e-14);
  EXPECT_NEAR(mcnemar(420, 500).p, 0.009199422653342408, 1e-14);
  EXPECT_NEAR(mcnemar(25, 0).p, 1.5866563039511885e-06, 1e-16);
  EXPECT_EQ(mcnemar(40, 40).p, 1);
}

TEST(McNemar, TheOrderDoesNotMatter) {
  EXPECT_EQ(mcnemar(3, 9).p, mcnemar(9, 3).p);
  EXPECT_EQ(mcnemar(30, 90).p, mcnemar(90, 30).p);
}

TEST(McNemar, Text) {
  EXPECT_EQ(format_p(0.0123), "0.0123");
  EXPECT_EQ(format_p(1e-9), "< 0.0001");
}

}  // namespace
}  // namespace hone
