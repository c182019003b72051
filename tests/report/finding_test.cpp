// The headline of a report, and what it says of the classes.
#include "hone/report/finding.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hone/core/json.hpp"
#include "hone/report/confusion.hpp"
#include "hone/report/html.hpp"
#include "hone/report/tables.hpp"
#include "support/expect_error.hpp"

namespace hone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Json eval_line(const char* split, double epoch, double accuracy, double half = 0.01) {
  return {{"event", "eval"},        {"step", static_cast<std::int64_t>(epoch * 100)},
          {"epoch", epoch},         {"split", split},
          {"samples", 1000},        {"accuracy", accuracy},
          {"low", accuracy - half}, {"high", accuracy + half},
          {"loss", 1 - accuracy}};
}

RunSummary run_of(std::vector<Json> lines, const char* name = "run", int seed = 0,
                  double lr = 1e-3) {
  lines.insert(lines.begin(), Json{{"event", "run"}, {"config", {{"seed", seed}, {"lr", lr}}}});
  lines.push_back({{"event", "end"}, {"status", "finished"}});
  RunSummary run = summarize(lines, "x");
  run.name = name;
  return run;
}

std::string finding(std::vector<RunSummary> runs) { return describe_finding(runs); }

TEST(Finding, OneRunSaysItsAccuracyAndBestEpoch) {
  EXPECT_EQ(finding({run_of({eval_line("validation", 1, 0.9), eval_line("validation", 2, 0.95),
                             eval_line("validation", 3, 0.95), eval_line("test", 3, 0.94)})}),
            "94.00 % test accuracy (93.00–95.00), best at epoch 2 of 3");
  EXPECT_EQ(finding({run_of({eval_line("validation", 1, 0.9)})}),
            "90.00 % validation accuracy (89.00–91.00)");
  EXPECT_EQ(finding({run_of({{{"event", "step"}, {"step", 7}, {"loss", 0.25}}})}),
            "Loss 0.25 after 7 steps");
  // A model that gives values.
  EXPECT_EQ(finding({run_of({{{"event", "eval"}, {"step", 9}, {"split", "test"}, {"mse", 0.31}}})}),
            "Mean squared error 0.31 on test");
  EXPECT_EQ(finding({run_of({})}), "Nothing was measured");
  EXPECT_EQ(finding({}), "No runs");
}

TEST(Finding, ARunWithoutAnEndSaysSo) {
  const std::vector<Json> lines{eval_line("test", 1, 0.5)};
  EXPECT_EQ(finding({summarize(lines, "x")}), "50.00 % test accuracy (49.00–51.00) – unfinished");
}

TEST(Finding, RunsAreComparedAndSeedsAveraged) {
  const auto one = [](const char* name, double accuracy, int seed, double lr) {
    return run_of({eval_line("test", 1, accuracy)}, name, seed, lr);
  };
  EXPECT_EQ(finding({one("a", 0.9, 0, 1e-3), one("b", 0.95, 0, 2e-3)}),
            "b is best: 95.00 % test accuracy (94.00–96.00)");
  EXPECT_EQ(finding({one("a", 0.95, 0, 1e-3), one("b", 0.955, 0, 2e-3)}),
            "95.50 % test accuracy (94.50–96.50): no difference detected between the 2 runs "
            "(n = 1,000)");
  EXPECT_THAT(finding({one("a", 0.95, 0, 1e-3), one("b", 0.955, 0, 2e-3), one("c", 0.5, 0, 3e-3)}),
              HasSubstr("between the 2 best runs"));
  // Student's t for two values: 12.706 / sqrt(2) times the deviation.
  EXPECT_EQ(finding({one("a", 0.950, 0, 1e-3), one("b", 0.951, 1, 1e-3)}),
            "95.05 % test accuracy, the mean of 2 seeds (94.41–95.69)");
}

// A run of values beside one of classes, and runs that were evaluated on different splits.
TEST(Finding, RunsOfDifferentKindsKeepTheirAccuracies) {
  const RunSummary classes = run_of({eval_line("test", 1, 0.9)}, "a");
  const RunSummary values =
      run_of({{{"event", "eval"}, {"step", 9}, {"split", "test"}, {"mse", 0.31}}}, "b");
  EXPECT_EQ(finding({values, classes}),
            "a: 90.00 % test accuracy (89.00–91.00); the other has no final accuracy");
  EXPECT_EQ(finding({values, values}), "2 runs without a common measure");
  const RunSummary other = run_of({eval_line("validation", 1, 0.8)}, "c", 1);
  EXPECT_EQ(finding({classes, other}), "2 runs without a common measure");
  const std::vector<RunSummary> runs{classes, other, values};
  const ReportTable overview = report_tables(runs).front();
  std::string text;
  for (const auto& row : overview.rows)
    for (const ReportCell& cell : row) text += cell.text + "\n";
  EXPECT_THAT(text, AllOf(HasSubstr("89.00–91.00), test"), HasSubstr("79.00–81.00), validation")));
  const Json page = report_data(runs);
  EXPECT_EQ(page.at("runs")[0].at("card").at("accuracy"), "90.00 %");
  EXPECT_EQ(page.at("runs")[0].at("card").at("split"), "test");
  EXPECT_EQ(page.at("runs")[1].at("card").at("split"), "validation");
  EXPECT_FALSE(page.at("runs")[2].at("card").contains("accuracy"));
}

const std::vector<std::vector<std::int64_t>> matrix{{8, 2, 0}, {1, 9, 0}, {0, 0, 0}};

TEST(Confusion, QualityOfEachClass) {
  const auto quality = class_quality(matrix);
  EXPECT_NEAR(quality[0].recall, 0.8, 1e-12);
  EXPECT_NEAR(quality[0].precision, 8.0 / 9, 1e-12);
  EXPECT_NEAR(quality[0].f1, 16.0 / 19, 1e-12);
  EXPECT_EQ(quality[0].taken_for, 1u);
  // A class that neither occurs nor is predicted has no quality.
  EXPECT_TRUE(std::isnan(quality[2].recall) && std::isnan(quality[2].precision) &&
              std::isnan(quality[2].f1));
  EXPECT_FALSE(quality[2].taken_for);
}

Json with_matrix() {
  Json line = eval_line("test", 1, 0.85);
  line["confusion"] = matrix;
  line["labels"] = {"bad", "good", "other"};
  line["macro_f1"] = 0.5716;
  line["mcc"] = 0.7035;
  return line;
}

std::vector<std::string> row_of(const ReportTable& table, std::size_t row) {
  std::vector<std::string> cells;
  for (const ReportCell& cell : table.rows.at(row)) cells.push_back(cell.text);
  return cells;
}

TEST(Confusion, IsATableOfTheReport) {
  const std::vector<RunSummary> runs{run_of({eval_line("test", 1, 0.8), with_matrix()})};
  const auto tables = report_tables(runs);
  const auto table = std::find_if(tables.begin(), tables.end(),
                                  [](const ReportTable& one) { return one.id == "confusion"; });
  ASSERT_NE(table, tables.end());
  EXPECT_EQ(table->title, "Classes (test)");
  EXPECT_THAT(row_of(*table, 0), ElementsAre("bad", "8", "2", "0", "80.0 %", "84.2 %"));
  EXPECT_THAT(row_of(*table, 3), ElementsAre("Precision", "88.9 %", "81.8 %", "—", "", ""));
  const std::string text = render_terminal(runs);
  EXPECT_THAT(text, HasSubstr("0.5716"));
  EXPECT_THAT(text, HasSubstr("0.7035"));
}

TEST(Confusion, ManyClassesAreAListWithTheWeakestFirst) {
  EvalEvent eval;
  for (std::size_t i = 0; i < 20; ++i) {
    eval.labels.push_back("class " + std::to_string(i));
    eval.confusion.emplace_back(20, 0);
    eval.confusion[i][i] = 10;
  }
  eval.confusion[7][3] = 30;
  const ReportTable table = confusion_table(eval, "t");
  EXPECT_EQ(table.id, "classes");
  EXPECT_EQ(table.rows.size(), 20u);
  EXPECT_THAT(row_of(table, 0), ElementsAre("class 3", "10", "25.0 %", "100.0 %", "40.0 %", "—"));
  EXPECT_THAT(row_of(table, 1),
              ElementsAre("class 7", "40", "100.0 %", "25.0 %", "40.0 %", "class 3 (30)"));
}

TEST(Confusion, ABrokenMatrixIsNamed) {
  Json line = with_matrix();
  line["confusion"] = {{1, 2}, {3}};
  hone_test::expect_error([&] { summarize(std::vector{line}, "record.jsonl"); },
                          ErrorCode::bad_format,
                          "record.jsonl: line 1: \"confusion\" must be a square of counts");
  line = with_matrix();
  line["labels"] = {"one"};
  hone_test::expect_error([&] { summarize(std::vector{line}, "record.jsonl"); },
                          ErrorCode::bad_format, "\"labels\" must be as many");
}

const Json quantized_line{
    {"event", "quantized"},
    {"formats",
     {{{"format", "integer width=8"}, {"slots", "data_in, weight"}, {"nodes", 12}},
      {{"format", "integer width=16"}, {"slots", "bias"}, {"nodes", 12}}}},
    {"parameters", 1000000},
    {"float_parameters", 250000},
    {"left_in_float32", {{"layer_norm", 50000}, {"embedding", 200000}}},
    {"bytes_before", 4000000},
    {"bytes_after", 1750000},
    {"products", "13 of 13 products run on 8-bit instructions"},
    {"calibration", {{"data", "reviews"}, {"samples", 256}}},
    {"learned_steps", 0}};

TEST(Quantized, TheFindingIsTheSize) {
  EXPECT_EQ(finding({run_of({quantized_line})}),
            "1.00 M parameters in 1.67 MiB of 3.81 MiB (43.8 %)");
  EXPECT_EQ(finding({run_of({quantized_line, eval_line("validation", 1, 0.9)})}),
            "90.00 % validation accuracy (89.00–91.00)");
  Json packed = quantized_line;
  packed["packed"] = true;
  EXPECT_EQ(finding({run_of({packed, eval_line("validation", 1, 0.9)})}),
            "90.00 % validation accuracy (89.00–91.00) in 1.67 MiB of 3.81 MiB (43.8 %)");
}

TEST(Pruned, TheFindingIsTheShareAndWhatItGained) {
  Json line{{"event", "pruned"}, {"numbers", 1000}, {"dropped", 250}, {"parameters", 2000}};
  EXPECT_EQ(finding({run_of({line})}), "250 of 1.00 k weights dropped (25.00 %)");
  line["verdict"] = "no faster than dense (1.00 x, 0.98 to 1.02): density 0.75, dense is as fast";
  EXPECT_EQ(finding({run_of({line})}),
            "250 of 1.00 k weights dropped (25.00 %), no faster than dense (1.00 x, 0.98 to 1.02)");
}

TEST(Pruned, TablesHoldWhatWasRemovedAndMeasured) {
  const Json line{{"event", "pruned"},
                  {"numbers", 1000},
                  {"dropped", 250},
                  {"parameters", 2000},
                  {"removed", true},
                  {"parameters_after", 1500},
                  {"heads", {{{"node", "a"}, {"before", 12}, {"after", 6}}}},
                  {"neurons",
                   {{{"node", "b"}, {"before", 100}, {"after", 60}},
                    {{"node", "c"}, {"before", 100}, {"after", 90}}}},
                  {"branches", {"d", "e"}},
                  {"disk_bytes_before", 8192},
                  {"disk_bytes", 4096},
                  {"verdict", "2.00 x as fast as dense (1.90 to 2.10)"},
                  {"latency_tokens", 128},
                  {"latency_threads", 2},
                  {"latency",
                   {{{"name", "dense"}, {"median", 0.002}, {"low", 0.001}, {"high", 0.003}},
                    {{"name", "removed"},
                     {"median", 0.001},
                     {"low", 0.0005},
                     {"high", 0.002},
                     {"against", "2.00 x as fast (1.90 to 2.10)"}}}}};
  std::string text;
  for (const ReportTable& table : report_tables(std::vector{run_of({line})})) {
    text += table.id + "\n" + table.note + "\n";
    for (const auto& row : table.rows)
      for (const ReportCell& cell : row) text += cell.text + "\n";
  }
  for (const char* part :
       {"6 of 12 heads, 50 of 200 neurons, 2 branches", "2.00 k -> 1.50 k", "8.00 KiB -> 4.00 KiB",
        "2.00 x as fast as dense (1.90 to 2.10)", "pruned-latency", "128 tokens on 2 threads",
        "500 µs to 2.00 ms", "2.00 x as fast (1.90 to 2.10)"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
  // Every field may be missing, none may be of another kind.
  for (const char* key : {"heads", "branches", "latency", "verdict", "removed", "disk_bytes"}) {
    Json bad = line;
    bad[key] = std::string(key) == "verdict" ? Json(3) : Json("x");
    hone_test::expect_error([&] { summarize(std::vector{bad}, "record.jsonl"); },
                            ErrorCode::bad_format, key);
  }
}

// Formats that all layers share are said once, others beside each layer.
TEST(Quantized, LayersNameTheirFormatsWhereTheyDiffer) {
  const auto columns = [](const char* second) {
    const Json model{{"event", "model"},
                     {"layers",
                      {{{"name", "a"}, {"formats", {{"weight", "integer width=8"}}}},
                       {{"name", "b"}, {"formats", {{"weight", second}}}}}}};
    for (const ReportTable& table : report_tables(std::vector{run_of({model, quantized_line})}))
      if (table.id == "layers") return table.columns.size();
    return std::size_t{0};
  };
  EXPECT_EQ(columns("integer width=8"), 6u);
  EXPECT_EQ(columns("integer width=4"), 7u);
}

}  // namespace
}  // namespace hone
