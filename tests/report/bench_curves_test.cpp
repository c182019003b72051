// A timing experiment, from record lines to charts and tables.
#include "hone/report/bench_curves.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hone/core/error.hpp"
#include "hone/report/finding.hpp"

namespace hone {
namespace {

using testing::HasSubstr;

Json bench_line(const char* what, const char* series, double at, double median) {
  Json line{{"event", "bench_point"}, {"what", what}, {"series", series},
            {"axis", "length"},       {"at", at},     {"median", median}};
  if (std::string(series) == "fused") line["against"] = "naive";
  return line;
}

std::vector<Json> bench_lines() {
  return {bench_line("forward", "naive", 256, 0.4), bench_line("forward", "fused", 256, 0.1),
          bench_line("forward", "naive", 128, 0.09), bench_line("forward", "fused", 128, 0.01),
          bench_line("backward", "fused", 512, 0.5)};
}

TEST(BenchCurves, AChartForEachThingTimedAndACurveForEachForm) {
  const std::vector<BenchChart> charts = arrange_bench(summarize(bench_lines(), "x"));
  ASSERT_EQ(charts.size(), 2u);
  EXPECT_EQ(charts[0].what, "forward");
  ASSERT_EQ(charts[0].curves.size(), 2u);
  const BenchCurve& fused = charts[0].curves[1];
  EXPECT_EQ(fused.name, "fused");
  ASSERT_EQ(fused.rows.size(), 2u);
  EXPECT_EQ(fused.rows[0].point.at, 128);
  EXPECT_NEAR(fused.rows[0].times_faster, 9, 1e-12);
  EXPECT_NEAR(fused.rows[1].times_faster, 4, 1e-12);
  // What stands against nothing, or against what was not measured there, has no factor.
  EXPECT_TRUE(std::isnan(charts[0].curves[0].rows[0].times_faster));
  EXPECT_TRUE(std::isnan(charts[1].curves[0].rows[0].times_faster));
}

TEST(BenchCurves, APointMeasuredAgainReplacesTheOldOne) {
  std::vector<Json> lines = bench_lines();
  lines.push_back(bench_line("forward", "fused", 256, 0.2));
  const std::vector<BenchChart> charts = arrange_bench(summarize(lines, "x"));
  ASSERT_EQ(charts[0].curves[1].rows.size(), 2u);
  EXPECT_NEAR(charts[0].curves[1].rows[1].times_faster, 2, 1e-12);
}

TEST(BenchCurves, TheFindingIsTheGapAtTheLastPlaceThatHasOne) {
  const std::vector<RunSummary> runs{summarize(bench_lines(), "x")};
  EXPECT_EQ(describe_finding(runs),
            "forward, length 256: fused takes 100 ms, 4 times as fast as naive");
  EXPECT_EQ(describe_bench({}), "");
}

TEST(BenchCurves, ColumnsThatNoPointFillsAreLeftOut) {
  std::vector<Json> lines = bench_lines();
  const auto titles = [&] {
    std::string all;
    for (const TableColumn& column : bench_table(arrange_bench(summarize(lines, "x")), "").columns)
      all += column.title + "|";
    return all;
  };
  EXPECT_EQ(titles(), "What|length|Form|Time (least to most)|Times faster|");
  lines[0]["compile_seconds"] = 0.5;
  lines[1]["bytes"] = 4096;
  EXPECT_THAT(titles(), HasSubstr("|Compilation|Memory|"));
}

TEST(BenchCurves, APointWithoutItsTimeIsRefused) {
  Json line = bench_line("forward", "naive", 1, 1);
  line["median"] = "fast";
  EXPECT_THROW(summarize(std::vector<Json>{line}, "x"), Error);
  line = bench_line("forward", "naive", 1, 1);
  line["low"] = 2;
  line["high"] = 1;
  EXPECT_THROW(summarize(std::vector<Json>{line}, "x"), Error);
}

}  // namespace
}  // namespace hone
