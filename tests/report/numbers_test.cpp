#include "hone/report/numbers.hpp"

#include <limits>

#include <gtest/gtest.h>

namespace hone {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

TEST(Numbers, CountsHaveThreeDigitsAndTheNextUnitWhereTheyRoundUp) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(0.5), "0.50");
  EXPECT_EQ(format_count(1000), "1.00 k");
  EXPECT_EQ(format_count(4386178), "4.39 M");
  EXPECT_EQ(format_count(999400), "999 k");
  EXPECT_EQ(format_count(999500), "1.00 M");
  EXPECT_EQ(format_count(9.996e9), "10.0 G");
  EXPECT_EQ(format_count(-2500), "-2.50 k");
  EXPECT_EQ(format_count(nan), "—");
  EXPECT_EQ(format_count(infinity), "inf");
}

TEST(Numbers, BytesAreBinary) {
  EXPECT_EQ(format_bytes(512), "512 B");
  EXPECT_EQ(format_bytes(1024), "1.00 KiB");
  EXPECT_EQ(format_bytes(1000), "0.98 KiB");
  EXPECT_EQ(format_bytes(1536), "1.50 KiB");
  EXPECT_EQ(format_bytes(17.5 * 1048576), "17.5 MiB");
}

TEST(Numbers, DurationsFromNanosecondsToDays) {
  EXPECT_EQ(format_duration(0), "0 s");
  EXPECT_EQ(format_duration(2.5e-8), "25.0 ns");
  EXPECT_EQ(format_duration(350e-6), "350 µs");
  EXPECT_EQ(format_duration(0.0123), "12.3 ms");
  EXPECT_EQ(format_duration(0.9996), "1.00 s");
  EXPECT_EQ(format_duration(59.94), "59.9 s");
  EXPECT_EQ(format_duration(59.97), "1 min 00 s");
  EXPECT_EQ(format_duration(125.4), "2 min 05 s");
  EXPECT_EQ(format_duration(3599.7), "1 h 00 min");
  EXPECT_EQ(format_duration(3720), "1 h 02 min");
  EXPECT_EQ(format_duration(86399), "1 d 00 h");
  EXPECT_EQ(format_duration(3 * 86400 + 4 * 3600), "3 d 04 h");
  EXPECT_EQ(format_duration(nan), "—");
}

TEST(Numbers, ClocksCarryOver) {
  EXPECT_EQ(format_clock(0), "00:00");
  EXPECT_EQ(format_clock(59.6), "01:00");
  EXPECT_EQ(format_clock(3723), "1:02:03");
  EXPECT_EQ(format_clock(-5), "00:00");
  EXPECT_EQ(format_clock(infinity), "--:--");
}

TEST(Numbers, IntervalsAndSignificantDigits) {
  EXPECT_EQ(format_interval(0.867, 0.8627, 0.8712), "86.70 % (86.27–87.12)");
  EXPECT_EQ(format_interval(0.867, nan, nan), "86.70 %");
  EXPECT_EQ(format_percent(nan), "—");
  EXPECT_EQ(format_significant(0.000487, 3), "0.000487");
  EXPECT_EQ(format_significant(0.0000487, 3), "4.87e-5");
  EXPECT_EQ(format_significant(1.5e12), "1.5e12");
  EXPECT_EQ(format_significant(12.5), "12.5");
}

}  // namespace
}  // namespace hone
