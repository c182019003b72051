// A sweep over sparsities, from record lines to tables.
#include "hone/report/pruning_curves.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/report/finding.hpp"

namespace hone {
namespace {

using testing::HasSubstr;
using testing::Not;
using Verdict = SweepDifference::Verdict;

Json point(const char* kind, const char* curve, double sparsity, double accuracy,
           double p_float = 1, double p_against = 1) {
  Json line{{"event", "pruning_point"}, {"kind", kind},         {"seed", 0},
            {"samples", 1000},          {"accuracy", accuracy}, {"low", accuracy - 0.02},
            {"high", accuracy + 0.02},  {"loss", 1 - accuracy}, {"bytes", 4000}};
  if (std::string(kind) == "float") return line;
  line["curve"] = curve;
  line["sparsity"] = sparsity;
  line["p_float"] = p_float;
  if (std::string(curve) == "L1") {
    line["against"] = "random";
    line["p_against"] = p_against;
  }
  return line;
}

std::vector<Json> lines() {
  return {point("float", "", 0, 0.9),
          point("pruned", "random", 0.5, 0.5, 1e-9),
          point("tuned", "random", 0.5, 0.6, 1e-9),
          point("pruned", "L1", 0.5, 0.8, 1e-9, 1e-9),
          point("tuned", "L1", 0.5, 0.895, 0.6, 1e-9),
          point("pruned", "random", 0.25, 0.8, 1e-9),
          point("tuned", "random", 0.25, 0.89, 0.3),
          point("tuned", "L1", 0.25, 0.9, 1, 0.4),
          point("tuned", "L1", 0.9, 0.7, 1e-9, 1)};
}

TEST(PruningCurves, RowsAreOrderedAndJudged) {
  const PruningCurves curves = arrange_pruning(summarize(lines(), "x"));
  ASSERT_EQ(curves.curves.size(), 2u);
  EXPECT_EQ(curves.curves[0].name, "random");
  const PruningCurveRows& l1 = curves.curves[1];
  ASSERT_EQ(l1.rows.size(), 3u);
  EXPECT_EQ(l1.rows[0].sparsity, 0.25);
  EXPECT_FALSE(l1.rows[0].pruned);
  EXPECT_EQ(l1.rows[1].to_other.verdict, Verdict::better);
  EXPECT_NEAR(l1.rows[1].to_other.points, 0.295, 1e-12);
  EXPECT_EQ(l1.rows[0].to_other.verdict, Verdict::noise);
  // At 0.9 the other curve was not measured: nothing is known.
  EXPECT_EQ(l1.rows[2].to_other.verdict, Verdict::unknown);
  EXPECT_EQ(largest_without_loss(curves.curves[0]), 0.25);
  EXPECT_EQ(largest_without_loss(l1), 0.5);
  const std::string finding = describe_pruning(curves);
  EXPECT_THAT(finding, HasSubstr("L1 is better than random at 50 %."));
  EXPECT_THAT(finding, HasSubstr("L1 and random: no difference detected at 25 % (n = 1,000)."));
  EXPECT_THAT(finding, HasSubstr("L1: no difference to the float model detected up to 50 % (n = "
                                 "1,000)."));
  const std::vector<RunSummary> runs{summarize(lines(), "x")};
  EXPECT_EQ(describe_finding(runs), "50 % pruned cost no detectable accuracy: L1 (n = 1,000)");
  const ReportTable table = pruning_curves_table(curves, "t");
  ASSERT_EQ(table.rows.size(), 6u);
  for (const auto& row : table.rows) EXPECT_EQ(row.size(), table.columns.size());
}

TEST(PruningCurves, TheFindingIsNeverMoreThanWasMeasured) {
  const auto cost = [](const std::vector<Json>& lines) {
    return describe_pruning_cost(arrange_pruning(summarize(lines, "x")));
  };
  EXPECT_EQ(cost({point("float", "", 0, 0.9)}), "");
  EXPECT_EQ(cost({point("tuned", "a", 0.5, 0.9, 0.9)}), "");
  EXPECT_EQ(cost({point("float", "", 0, 0.9), point("tuned", "a", 0.5, 0.6, 1e-9)}),
            "Accuracy is lost at every sparsity that was tried, least at 50 %: a (n = 1,000)");
  EXPECT_EQ(cost({point("float", "", 0, 0.9), point("tuned", "a", 0.5, 0.6, 1e-9),
                  point("tuned", "b", 0.25, 0.7, 1e-9), point("tuned", "b", 0.5, 0.5, 1e-9)}),
            "Accuracy is lost at every sparsity that was tried, least at 25 %: b (n = 1,000)");
  // A loss below a lossless sparsity is said.
  EXPECT_EQ(cost({point("float", "", 0, 0.9), point("tuned", "a", 0.25, 0.6, 1e-9),
                  point("tuned", "a", 0.5, 0.9, 0.9)}),
            "50 % pruned cost no detectable accuracy, though less did: a (n = 1,000)");
  // One that was not compared is no loss.
  EXPECT_EQ(cost({point("float", "", 0, 0.9), point("pruned", "a", 0.25, 0.6, 1e-9),
                  point("tuned", "a", 0.5, 0.9, 0.9)}),
            "50 % pruned cost no detectable accuracy: a (n = 1,000)");
}

TEST(PruningCurves, WhereNothingIsLostIsSaidOfEveryPoint) {
  const auto where = [](const std::vector<Json>& lines) {
    return where_without_loss(arrange_pruning(summarize(lines, "x")).curves.at(0));
  };
  const Json base = point("float", "", 0, 0.9);
  EXPECT_EQ(where({base, point("tuned", "a", 0.5, 0.6, 1e-9)}), "");
  EXPECT_EQ(where({base, point("tuned", "a", 0.25, 0.9), point("tuned", "a", 0.5, 0.6, 1e-9)}),
            "up to 25 %");
  EXPECT_EQ(where({base, point("tuned", "a", 0.25, 0.6, 1e-9), point("tuned", "a", 0.5, 0.9),
                   point("tuned", "a", 0.75, 0.9)}),
            "at 50 % and 75 %");
}

TEST(PruningCurves, SpeedsStandBesideTheirPoints) {
  std::vector<Json> all = lines();
  all.push_back({{"event", "pruning_point"},
                 {"kind", "speed"},
                 {"curve", "L1"},
                 {"seed", 0},
                 {"sparsity", 0.5},
                 {"latency", 0.002},
                 {"latency_low", 0.0019},
                 {"latency_high", 0.0021},
                 {"float_latency", 0.002},
                 {"speed", "no faster"},
                 {"bytes_on_disk", 2048}});
  const PruningCurves curves = arrange_pruning(summarize(all, "x"));
  const ReportTable table = pruning_curves_table(curves, "t");
  bool shown = false;
  for (const auto& row : table.rows) {
    EXPECT_EQ(row.size(), table.columns.size());
    if (row[0].text == "L1" && row[1].text == "50 %") {
      shown = true;
      EXPECT_EQ(row[6].text, "2 ms");
      EXPECT_EQ(row[7].text, "no faster");
    }
  }
  EXPECT_TRUE(shown);
  EXPECT_THAT(pruning_curves_data(curves).dump(), HasSubstr("\"speed\":\"no faster\""));
  EXPECT_THAT(pruning_curves_table(arrange_pruning(summarize(lines(), "x")), "t").columns.size(),
              6u);
}

TEST(PruningCurves, BrokenLinesAreNamed) {
  const auto error_of = [](Json line) {
    try {
      summarize({{line}}, "r.jsonl");
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  Json line = point("tuned", "a", 0.5, 0.9);
  line["kind"] = "pruned well";
  EXPECT_THAT(error_of(line), HasSubstr("kind"));
  line = point("tuned", "a", 1.5, 0.9);
  EXPECT_THAT(error_of(line), HasSubstr("sparsity"));
  line = point("tuned", "a", 0.5, 0.9);
  line.erase("sparsity");
  EXPECT_THAT(error_of(line), HasSubstr("sparsity"));
}

}  // namespace
}  // namespace hone
