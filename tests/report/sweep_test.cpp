// A sweep over widths, from record lines to tables.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/report/finding.hpp"
#include "hone/report/html.hpp"
#include "hone/report/sweep.hpp"

namespace hone {
namespace {

using testing::HasSubstr;
using Verdict = SweepDifference::Verdict;

Json point(const char* kind, int width, int seed, double accuracy, double p_float = 1,
           double p_ptq = 1) {
  Json line{{"event", "point"},     {"kind", kind},           {"format", "integer"},
            {"width", width},       {"seed", seed},           {"samples", 1000},
            {"accuracy", accuracy}, {"low", accuracy - 0.02}, {"high", accuracy + 0.02},
            {"loss", 1 - accuracy}, {"bytes", 1000 * width},  {"bits_per_weight", width},
            {"seconds", 1}};
  if (std::string(kind) != "float") line["p_float"] = p_float;
  if (std::string(kind) == "qat") line["p_ptq"] = p_ptq;
  return line;
}

std::vector<Json> one_seed() {
  return {point("float", 32, 0, 0.9),           point("ptq", 8, 0, 0.895, 0.4),
          point("qat", 8, 0, 0.9, 0.9, 0.5),    point("ptq", 4, 0, 0.6, 1e-9),
          point("qat", 4, 0, 0.84, 1e-5, 1e-9), point("ptq", 6, 0, 0.8, 1e-6),
          point("qat", 6, 0, 0.89, 0.3, 1e-6)};
}

TEST(Sweep, RowsAreOrderedAndJudged) {
  const Sweep sweep = arrange_sweep(summarize(one_seed(), "x"));
  ASSERT_EQ(sweep.rows.size(), 3u);
  EXPECT_EQ(sweep.rows[0].width, 4);
  EXPECT_EQ(sweep.rows[2].width, 8);
  EXPECT_EQ(sweep.rows[0].qat_to_ptq.verdict, Verdict::better);
  EXPECT_NEAR(sweep.rows[0].qat_to_ptq.points, 0.24, 1e-12);
  EXPECT_EQ(sweep.rows[2].qat_to_ptq.verdict, Verdict::noise);
  EXPECT_EQ(narrowest_without_loss(sweep, false), 8);
  EXPECT_EQ(narrowest_without_loss(sweep, true), 6);
  const std::string finding = describe_sweep(sweep);
  EXPECT_THAT(finding, HasSubstr("QAT is better than PTQ at 4 and 6 bits."));
  EXPECT_THAT(finding, HasSubstr("No difference detected at 8 bits (n = 1,000)."));
  EXPECT_THAT(finding,
              HasSubstr("QAT: no difference to float32 detected from 6 bits on (n = 1,000)."));
  EXPECT_EQ(describe_cost(sweep),
            "6 bits cost no detectable accuracy after training with the rounding, 8 bits without "
            "(n = 1,000)");
}

TEST(Sweep, TheFindingIsNeverMoreThanWasMeasured) {
  const auto cost = [](const std::vector<Json>& lines) {
    return describe_cost(arrange_sweep(summarize(lines, "x")));
  };
  EXPECT_EQ(cost({point("float", 32, 0, 0.9), point("ptq", 8, 0, 0.895, 0.4)}),
            "8 bits cost no detectable accuracy (n = 1,000)");
  EXPECT_EQ(cost({point("float", 32, 0, 0.9), point("ptq", 1, 0, 0.9, 0.9)}),
            "1 bit costs no detectable accuracy (n = 1,000)");
  EXPECT_EQ(cost({point("float", 32, 0, 0.9), point("ptq", 4, 0, 0.6, 1e-9)}),
            "Accuracy is lost even at 4 bits, the most that were tried (n = 1,000)");
  // Without the float model, or without a test against it, nothing is known.
  EXPECT_EQ(cost({point("ptq", 8, 0, 0.895, 0.4)}), "");
  Json untested = point("ptq", 8, 0, 0.895);
  untested["p_float"] = nullptr;
  EXPECT_EQ(cost({point("float", 32, 0, 0.9), untested}), "");
}

TEST(Sweep, SeveralSeedsAreJudgedByTheirMean) {
  std::vector<Json> lines;
  for (int seed = 0; seed < 3; ++seed) {
    lines.push_back(point("float", 32, seed, 0.9 + 0.01 * seed));
    lines.push_back(point("ptq", 4, seed, 0.6 + 0.01 * seed, 0.9));
    lines.push_back(point("qat", 4, seed, 0.8 + 0.012 * seed, 0.9, 0.9));
    lines.push_back(point("ptq", 8, seed, 0.9 + 0.01 * seed));
    lines.push_back(point("qat", 8, seed, 0.9 + 0.02 * (seed % 2)));
  }
  const Sweep sweep = arrange_sweep(summarize(lines, "x"));
  EXPECT_EQ(sweep.base->seeds, 3u);
  EXPECT_NEAR(sweep.base->accuracy, 0.91, 1e-12);
  // The 97.5 % point of t with two degrees of freedom times 0.01 / sqrt(3).
  EXPECT_NEAR(sweep.base->high, 0.91 + 4.303 * 0.01 / std::sqrt(3.0), 1e-9);
  EXPECT_EQ(sweep.rows[0].qat_to_ptq.verdict, Verdict::better);
  EXPECT_EQ(sweep.rows[1].qat_to_ptq.verdict, Verdict::noise);
}

TEST(Sweep, HalfASweepIsShown) {
  const std::vector<Json> lines{point("ptq", 4, 0, 0.6)};
  std::vector<RunSummary> runs{summarize(lines, "x")};
  runs[0].name = "half";
  EXPECT_THAT(render_terminal(runs), HasSubstr("60.00 % (58.00–62.00)"));
  const Json sweep = report_data(runs).at("runs")[0].at("sweep");
  EXPECT_TRUE(sweep.at("base").is_null());
  EXPECT_TRUE(sweep.at("rows")[0].at("qat").is_null());
}

TEST(Sweep, APointThatIsWrittenTwiceCountsOnce) {
  std::vector<Json> lines = one_seed();
  lines.push_back(point("ptq", 8, 0, 0.7));
  const RunSummary run = summarize(lines, "x");
  EXPECT_EQ(run.points.size(), 7u);
  EXPECT_NEAR(arrange_sweep(run).rows[2].ptq->accuracy, 0.7, 1e-12);
}

TEST(Sweep, BrokenPointsAreNamed) {
  std::vector<Json> lines = one_seed();
  lines[3]["kind"] = "pqt";
  try {
    summarize(lines, "record.jsonl");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), HasSubstr("record.jsonl: line 4: \"kind\" must be float, ptq"));
  }
}

TEST(Sweep, ThePageHasWhatThePlotsNeed) {
  std::vector<RunSummary> runs{summarize(one_seed(), "x")};
  runs[0].name = "sweep";
  const Json data = report_data(runs);
  const Json& sweep = data.at("runs")[0].at("sweep");
  EXPECT_EQ(sweep.at("rows").size(), 3u);
  EXPECT_EQ(sweep.at("rows")[0].at("qat").at("accuracy"), 0.84);
  EXPECT_EQ(sweep.at("rows")[0].at("qat").at("bytes"), 4000);
  EXPECT_EQ(sweep.at("base").at("accuracy"), 0.9);
  EXPECT_EQ(data.at("runs")[0].at("card").at("of"), "float32 accuracy");
  EXPECT_TRUE(std::any_of(data.at("tables").begin(), data.at("tables").end(),
                          [](const Json& table) { return table.at("id") == "sweep"; }));
}

}  // namespace
}  // namespace hone
