#include "hone/report/summary.hpp"
#include "hone/core/json.hpp"

#include <cmath>
#include <fstream>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hone/core/error.hpp"
#include "hone/record/record.hpp"
#include "hone/report/tables.hpp"
#include "report/synthetic_record.hpp"
#include "report/temporary_directory.hpp"

namespace hone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Json step(int number, double loss, int samples = 8, double seconds = 0.5) {
  return {{"event", "step"}, {"epoch", 1},         {"step", number},          {"loss", loss},
          {"lr", 1e-3},      {"samples", samples}, {"tokens", 100 * samples}, {"seconds", seconds},
          {"grad_norm", 1.0}};
}

Json eval(int number, double accuracy, double low, double high, const char* split = "test") {
  return {{"event", "eval"}, {"epoch", 1},     {"step", number},
          {"split", split},  {"samples", 100}, {"accuracy", accuracy},
          {"low", low},      {"high", high},   {"loss", 0.5}};
}

RunSummary summary_of(const std::vector<Json>& lines) { return summarize(lines, "record.jsonl"); }

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_format);
    return error.message();
  }
  return "no error";
}

// What a quantized model is made of: formats, what stayed float32, sizes.
TEST(Summary, QuantizedModels) {
  const Json good{{"event", "quantized"},
                  {"nodes", 14},
                  {"formats", {{{"format", "mxint"}, {"slots", "weight"}, {"nodes", 14}}}},
                  {"parameters", 1000},
                  {"float_parameters", 250},
                  {"left_in_float32", {{"embedding", 240}, {"zzz", 10}, {"add", 0}}},
                  {"bytes_before", 4000},
                  {"bytes_after", 1750},
                  {"packed", true},
                  {"learned_steps", 3},
                  {"products", "run somewhere"}};
  const RunSummary run = summary_of({good});
  ASSERT_TRUE(run.quantized);
  EXPECT_EQ(run.quantized->formats.at(0).format, "mxint");
  EXPECT_EQ(run.quantized->float_parameters, 250);
  EXPECT_EQ(run.quantized->left_in_float32.at("embedding"), 240);
  EXPECT_EQ(run.quantized->left_in_float32.at("zzz"), 10);
  EXPECT_TRUE(run.quantized->packed);
  EXPECT_FALSE(summary_of({step(1, 0.5)}).quantized);
  // Every field may be missing, none may be of another kind.
  EXPECT_TRUE(summary_of({{{"event", "quantized"}}}).quantized);
  for (const char* key : {"nodes", "formats", "left_in_float32", "packed", "products"}) {
    Json bad = good;
    bad[key] = std::string(key) == "products" ? Json(3) : Json("x");
    EXPECT_THAT(error_of([&] { summary_of({bad}); }), HasSubstr(key)) << key;
  }
  Json model{{"event", "model"}, {"name", "m"}};
  model["layers"] = {{{"name", "l"},
                      {"op", "linear"},
                      {"formats", {{"bias", "mxint"}, {"data_in", "log"}, {"weight", "mxint"}}}}};
  const std::vector<RunSummary> runs{summary_of({model})};
  EXPECT_EQ(runs[0].model.layers.at(0).formats.at("data_in"), "log");
  bool told = false;
  for (const ReportTable& table : report_tables(runs))
    for (const auto& row : table.rows)
      told |= row.back().text == "bias, weight: mxint; data_in: log";
  EXPECT_TRUE(told);
}

TEST(Summary, SumsOfARecordedRun) {
  const hone_test::TemporaryDirectory directory;
  const auto path = directory.path() / "record.jsonl";
  {
    Record record(path);
    record.write({{"event", "run"},
                  {"command", "hone train"},
                  {"config", {{"lr", 1e-3}}},
                  {"machine", {{"cpu", "x"}}},
                  {"versions", {{"hone", "1"}}},
                  {"started", "now"}});
    record.write({{"event", "model"},
                  {"name", "m"},
                  {"parameters", 30},
                  {"layers",
                   {{{"name", "a"},
                     {"op", "linear"},
                     {"parameters", 30},
                     {"bytes", 120},
                     {"macs_per_token", 20}}}}});
    record.write(step(1, 3.0, 8, 0.5));
    record.write(step(2, 1.0, 4, 0.25));
    record.write(eval(2, 0.5, 0.4, 0.6));
    record.write({{"event", "timing"},
                  {"kernel", "a"},
                  {"op", "x"},
                  {"calls", 2},
                  {"seconds", 1.0},
                  {"flop", 5e9}});
    record.write({{"event", "timing"},
                  {"kernel", "b"},
                  {"op", "x"},
                  {"calls", 4},
                  {"seconds", 3.0},
                  {"flop", 0}});
    record.write({{"event", "memory"}, {"peak_bytes", 1000}, {"arena_bytes", 400}});
    record.write({{"event", "end"}, {"status", "finished"}, {"seconds", 7.5}});
  }
  const auto runs = read_runs(std::vector{path});
  ASSERT_EQ(runs.size(), 1u);
  const RunSummary& run = runs[0];
  EXPECT_EQ(run.name, directory.path().filename().string());
  EXPECT_EQ(run.command, "hone train");
  EXPECT_EQ(run.config.at("lr"), 1e-3);
  EXPECT_EQ(run.status, "finished");
  EXPECT_DOUBLE_EQ(run.seconds, 7.5);
  EXPECT_DOUBLE_EQ(run.step_seconds, 0.75);
  EXPECT_DOUBLE_EQ(run.samples, 12);
  EXPECT_DOUBLE_EQ(run.samples_per_second, 16);
  EXPECT_DOUBLE_EQ(run.tokens_per_second, 1600);
  EXPECT_DOUBLE_EQ(run.final_loss, 2.0);
  EXPECT_EQ(run.final_loss_steps, 2);
  EXPECT_EQ(run.model.layers.at(0).bytes, 120);
  ASSERT_EQ(run.kernels.size(), 2u);
  EXPECT_EQ(run.kernels[0].kernel, "b");  // the longest first
  EXPECT_DOUBLE_EQ(run.kernels[0].share, 0.75);
  EXPECT_TRUE(std::isnan(run.kernels[0].gflop_per_second()));
  EXPECT_DOUBLE_EQ(run.kernels[1].gflop_per_second(), 5.0);
  EXPECT_DOUBLE_EQ(run.memory.peak_bytes, 1000);
}

TEST(Summary, FinalLossIsOfTheLastHundredSteps) {
  std::vector<Json> lines;
  for (int i = 1; i <= 150; ++i) lines.push_back(step(i, i <= 50 ? 100.0 : 2.0));
  EXPECT_DOUBLE_EQ(summary_of(lines).final_loss, 2.0);
}

TEST(Summary, AKilledRunIsUnfinishedAndItsTornLineIsLeftOut) {
  const hone_test::TemporaryDirectory directory;
  const auto path = directory.path() / "killed.jsonl";
  { Record(path).write(step(1, 0.7)); }
  std::ofstream(path, std::ios::app) << R"({"event":"step","step":2,"lo)";
  const auto runs = read_runs(std::vector{path});
  EXPECT_EQ(runs.at(0).name, "killed");
  EXPECT_EQ(runs[0].steps.size(), 1u);
  EXPECT_EQ(runs[0].status, "unfinished");
  EXPECT_TRUE(std::isnan(runs[0].seconds));
  EXPECT_TRUE(std::isnan(runs[0].memory.peak_bytes));
}

TEST(Summary, BrokenLinesNameFileLineAndKey) {
  const hone_test::TemporaryDirectory directory;
  const auto path = directory.path() / "broken.jsonl";
  std::ofstream(path) << "{\"event\":\"end\"}\nnot json\n";
  EXPECT_THAT(error_of([&] { read_runs(std::vector{path}); }),
              testing::AllOf(HasSubstr("broken.jsonl"), HasSubstr("line 2")));
  const auto message = [](const Json& line) {
    return error_of([&] { summary_of({{{"event", "memory"}}, line}); });
  };
  EXPECT_EQ(message({{"event", "step"}, {"step", 1}, {"loss", "low"}}),
            "record.jsonl: line 2: \"loss\" must be a number");
  EXPECT_EQ(message({{"event", "step"}, {"loss", 1}}),
            "record.jsonl: line 2: \"step\" must be a whole number, 0 or more");
  EXPECT_EQ(message({{"event", "resume"}, {"step", -1}}),
            "record.jsonl: line 2: \"step\" must be a whole number, 0 or more");
  EXPECT_EQ(message({{"event", "step"}, {"step", 18446744073709551615u}}),
            "record.jsonl: line 2: \"step\" must be a whole number, 0 or more");
  EXPECT_EQ(message({{"event", "run"}, {"config", 3}}),
            "record.jsonl: line 2: \"config\" must be an object");
  EXPECT_EQ(message({{"event", "model"}, {"layers", {1}}}),
            "record.jsonl: line 2: \"layers[0]\" must be an object");
  EXPECT_EQ(message({{"event", "model"}, {"layers", {{{"name", 1}}}}}),
            "record.jsonl: line 2: \"layers[0].name\" must be text");
  EXPECT_EQ(message({{"event", "timing"}, {"seconds", -1}}),
            "record.jsonl: line 2: \"seconds\" must be 0 or more");
  EXPECT_EQ(message(eval(1, 0.5, 0.6, 0.4)),
            "record.jsonl: line 2: \"low\" must be no more than \"high\"");
  EXPECT_EQ(message({{"event", 7}}), "record.jsonl: line 2: \"event\" must be text");
  EXPECT_EQ(message(Json::array()), "record.jsonl: line 2: expected a JSON object");
}

TEST(Summary, UnknownEventsAreSkippedAndMissingValuesAreNotNumbers) {
  const RunSummary run = summary_of({{{"event", "weather"}, {"rain", true}},
                                     {{"event", "step"}, {"step", 1}, {"loss", nullptr}}});
  ASSERT_EQ(run.steps.size(), 1u);
  EXPECT_TRUE(std::isnan(run.steps[0].loss));
  EXPECT_TRUE(std::isnan(run.samples_per_second));
}

TEST(Summary, AResumedRunReplacesWhatItDoesAgain) {
  const RunSummary run = summary_of({
      {{"event", "run"}, {"command", "first"}, {"started", "monday"}},
      step(1, 1.0),
      step(2, 2.0),
      eval(2, 0.5, 0.4, 0.6),
      step(3, 3.0),
      step(4, 4.0),
      eval(4, 0.6, 0.5, 0.7),
      {{"event", "timing"}, {"kernel", "a"}, {"calls", 4}, {"seconds", 1.0}, {"flop", 8}},
      {{"event", "memory"}, {"peak_bytes", 100}},
      {{"event", "end"}, {"status", "interrupted"}, {"seconds", 5}},
      {{"event", "run"}, {"command", "second"}, {"started", "tuesday"}},
      {{"event", "resume"}, {"step", 2}},
      step(3, 30.0),
      {{"event", "timing"}, {"kernel", "a"}, {"calls", 1}, {"seconds", 0.5}, {"flop", 2}},
      {{"event", "memory"}, {"peak_bytes", 50}},
      {{"event", "end"}, {"status", "finished"}, {"seconds", 2}},
  });
  ASSERT_EQ(run.steps.size(), 3u);
  EXPECT_EQ(run.steps[2].step, 3);
  EXPECT_EQ(run.steps[2].loss, 30.0);
  ASSERT_EQ(run.evals.size(), 1u);
  EXPECT_EQ(run.evals[0].step, 2);
  EXPECT_THAT(run.resumed_from, ElementsAre(2));
  EXPECT_EQ(run.status, "finished");
  EXPECT_EQ(run.started, "monday");
  EXPECT_EQ(run.command, "second");
  EXPECT_DOUBLE_EQ(run.seconds, 7);
  EXPECT_DOUBLE_EQ(run.kernels.at(0).calls, 5);
  EXPECT_DOUBLE_EQ(run.kernels[0].seconds, 1.5);
  EXPECT_DOUBLE_EQ(run.memory.peak_bytes, 100);
}

TEST(Summary, LaterStepsReplaceEarlierOnesOfTheSameNumber) {
  const RunSummary run = summary_of({step(1, 1.0), step(2, 2.0), step(1, 9.0), eval(2, 0.1, 0, 1),
                                     eval(2, 0.2, 0, 1), eval(2, 0.3, 0, 1, "validation")});
  EXPECT_EQ(run.steps.size(), 2u);
  EXPECT_EQ(run.steps[0].loss, 9.0);
  ASSERT_EQ(run.evals.size(), 2u);
  EXPECT_EQ(run.evals[0].accuracy, 0.2);
}

TEST(Summary, AnEndFollowedByAResumeIsNoEnd) {
  const RunSummary run = summary_of(
      {{{"event", "end"}, {"status", "interrupted"}}, {{"event", "resume"}, {"step", 5}}});
  EXPECT_EQ(run.status, "unfinished");
}

// How long a killed process ran is not known: its steps and evaluations are what is counted.
TEST(Summary, TheTimeOfAKilledProcessIsThatOfItsSteps) {
  Json first = step(1, 1.0);
  first["seconds"] = 2.0;
  Json second = step(2, 1.0);
  second["seconds"] = 3.0;
  const Json run{{"event", "run"}};
  const Json end{{"event", "end"}, {"status", "finished"}, {"seconds", 4.5}};
  EXPECT_DOUBLE_EQ(summary_of({run, first, run, second, end}).seconds, 2 + 4.5);
  EXPECT_DOUBLE_EQ(summary_of({run, first, second, end}).seconds, 4.5);
}

TEST(Summary, EmptyRecords) {
  const RunSummary run = summary_of({});
  EXPECT_EQ(run.status, "unfinished");
  EXPECT_TRUE(std::isnan(run.final_loss));
  const hone_test::TemporaryDirectory directory;
  const auto path = directory.path() / "empty.jsonl";
  { Record record(path); }
  EXPECT_THAT(error_of([&] { read_runs(std::vector{path}); }), HasSubstr("no complete line"));
}

TEST(Summary, NamesAreShortAndUnique) {
  const hone_test::TemporaryDirectory directory;
  std::vector<std::filesystem::path> paths;
  for (const char* name : {"x/a", "y/a", "b"}) {
    paths.push_back(directory.path() / name);
    std::filesystem::create_directories(paths.back());
    Record(paths.back() / "record.jsonl").write(step(1, 1));
  }
  paths.push_back(paths.back());
  const auto runs = read_runs(paths);
  EXPECT_EQ(runs[0].name, "x/a");
  EXPECT_EQ(runs[1].name, "y/a");
  EXPECT_EQ(runs[2].name, "b (3)");
  EXPECT_EQ(runs[3].name, "b (4)");
}

std::vector<RunSummary> runs_with(const std::vector<std::array<double, 3>>& accuracies) {
  std::vector<RunSummary> runs;
  for (const auto& [accuracy, low, high] : accuracies) {
    runs.push_back(summary_of({eval(1, 0.1, 0.0, 0.2), eval(2, accuracy, low, high)}));
    runs.back().name = std::string(1, static_cast<char>('a' + runs.size() - 1));
  }
  return runs;
}

TEST(Comparison, OverlappingIntervalsAreTied) {
  const auto runs =
      runs_with({{0.80, 0.78, 0.82}, {0.83, 0.81, 0.85}, {0.70, 0.68, 0.72}, {0.79, 0.77, 0.805}});
  const Comparison comparison = compare_final_accuracy(runs);
  EXPECT_EQ(comparison.split, "test");
  EXPECT_EQ(comparison.runs[0].standing, Standing::tied_for_best);
  EXPECT_EQ(comparison.runs[1].standing, Standing::tied_for_best);
  EXPECT_EQ(comparison.runs[2].standing, Standing::lower);
  // Tied with a run that is tied with the best, but not with the best itself.
  EXPECT_EQ(comparison.runs[3].standing, Standing::lower);
  EXPECT_THAT(comparison.runs[0].tied_with, ElementsAre(1, 3));
  EXPECT_THAT(comparison.runs[1].tied_with, ElementsAre(0));
  EXPECT_THAT(comparison.runs[2].tied_with, ElementsAre());
}

TEST(Comparison, TouchingIntervalsAreTiedAndApartOnesAreNot) {
  EXPECT_EQ(
      compare_final_accuracy(runs_with({{0.80, 0.78, 0.82}, {0.84, 0.82, 0.86}})).runs[1].standing,
      Standing::tied_for_best);
  const auto apart = compare_final_accuracy(runs_with({{0.80, 0.78, 0.82}, {0.85, 0.821, 0.87}}));
  EXPECT_EQ(apart.runs[0].standing, Standing::lower);
  EXPECT_EQ(apart.runs[1].standing, Standing::best);
}

TEST(Comparison, WithoutAnIntervalThereIsNoRank) {
  const double nan = not_recorded;
  auto runs = runs_with({{0.80, 0.78, 0.82}, {0.90, nan, nan}});
  for (const FinalAccuracy& run : compare_final_accuracy(runs).runs)
    EXPECT_EQ(run.standing, Standing::unranked);
  EXPECT_EQ(compare_final_accuracy(runs_with({{0.8, 0.7, 0.9}})).runs[0].standing,
            Standing::unranked);
  EXPECT_TRUE(compare_final_accuracy({}).runs.empty());
}

TEST(Comparison, ComparesOnASplitAllRunsHave) {
  std::vector<RunSummary> runs{
      summary_of({eval(1, 0.8, 0.7, 0.9, "test"), eval(1, 0.6, 0.5, 0.7, "validation")}),
      summary_of({eval(1, 0.65, 0.6, 0.72, "validation")})};
  const Comparison comparison = compare_final_accuracy(runs);
  EXPECT_EQ(comparison.split, "validation");
  EXPECT_EQ(comparison.runs[0].eval->accuracy, 0.6);
  // A run without any accuracy, of values or killed, takes nothing from the others.
  runs.push_back(summary_of({}));
  EXPECT_EQ(compare_final_accuracy(runs).split, "validation");
  EXPECT_FALSE(compare_final_accuracy(runs).runs[2].eval);
  std::swap(runs[0], runs[2]);
  EXPECT_EQ(compare_final_accuracy(runs).split, "validation");
  std::swap(runs[0], runs[2]);
  // Without a common split each has its own, and none is ranked.
  runs[1].evals[0].split = "other";
  const Comparison apart = compare_final_accuracy(runs);
  EXPECT_EQ(apart.split, "");
  EXPECT_EQ(apart.runs[0].eval->split, "test");
  EXPECT_EQ(apart.runs[1].eval->split, "other");
  for (const FinalAccuracy& run : apart.runs) EXPECT_EQ(run.standing, Standing::unranked);
}

}  // namespace
}  // namespace hone
