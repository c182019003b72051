#include "hone/report/progress.hpp"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hone/report/terminal_table.hpp"

namespace hone {
namespace {

using testing::HasSubstr;
using testing::Not;

ProgressValues values(double loss, double lr, double samples) {
  return {.loss = loss, .learning_rate = lr, .samples = samples};
}

TEST(ProgressMeter, FullLine) {
  ProgressMeter progress("epoch 1/3", 100, 10.0);
  for (int step = 1; step <= 25; ++step)
    progress.update(10.0 + step, step, values(0.51234, 4.87e-4, 8.0 * step));
  EXPECT_EQ(progress.bar(35.0, 100),
            "epoch 1/3  ━━━━━━━╸──────────────────────  25/100  loss 0.5123  lr 0.000487  8 "
            "samples/s  01:15 left");
  EXPECT_DOUBLE_EQ(*progress.steps_per_second(), 1.0);
  EXPECT_DOUBLE_EQ(*progress.samples_per_second(), 8.0);
}

TEST(ProgressMeter, EveryWidthIsKept) {
  for (const TextStyle style : {TextStyle::unicode, TextStyle::ascii}) {
    ProgressMeter progress("第一轮 training", 100000, 0, 0, {.style = style});
    for (int step = 1; step <= 50; ++step)
      progress.update(step, step, values(0.5, 1e-4, 8.0 * step));
    for (std::size_t width = 0; width <= 140; ++width)
      EXPECT_LE(display_width(progress.bar(50.0, width)), width) << progress.bar(50.0, width);
  }
}

TEST(ProgressMeter, NarrowLineKeepsCountAndTime) {
  ProgressMeter progress("epoch 1/3", 100, 0);
  for (int step = 1; step <= 10; ++step) progress.update(step, step, values(0.5, 1e-4, 8.0 * step));
  EXPECT_EQ(progress.bar(10.0, 20), "10/100  01:30 left");
  EXPECT_EQ(progress.bar(10.0, 4), "10/…");
}

TEST(ProgressMeter, NothingDoneYet) {
  const ProgressMeter progress("tokenize", 50, 5.0);
  EXPECT_FALSE(progress.steps_per_second());
  EXPECT_FALSE(progress.seconds_left(5.0));
  EXPECT_EQ(progress.bar(7.0, 40), "tokenize  ─────────────────  0/50  00:02");
}

TEST(ProgressMeter, OneStepIsEnoughForAnEstimate) {
  ProgressMeter progress("", 11, 0);
  progress.update(2.0, 1);
  EXPECT_DOUBLE_EQ(*progress.seconds_left(2.0), 20.0);
  // The clock runs on while a step is under way, and stands when the step takes longer.
  EXPECT_DOUBLE_EQ(*progress.seconds_left(3.0), 19.0);
  EXPECT_DOUBLE_EQ(*progress.seconds_left(60.0), 18.0);
}

TEST(ProgressMeter, TotalUnknown) {
  ProgressMeter progress("read", std::nullopt, 0, 0, {.unit = "rows"});
  progress.update(1.0, 10, {.samples = 1000.0});
  EXPECT_FALSE(progress.seconds_left(1.0));
  EXPECT_EQ(progress.bar(1.0, 80), "read  10  1.00 k rows/s  00:01");
}

TEST(ProgressMeter, TotalOfZeroIsDone) {
  ProgressMeter progress("empty", 0, 0, 0, {.style = TextStyle::ascii});
  EXPECT_DOUBLE_EQ(*progress.seconds_left(0), 0);
  EXPECT_EQ(progress.bar(0, 40), "empty  [==============]  0/0  00:00 left");
}

TEST(ProgressMeter, FinishedTellsTheWhole) {
  ProgressMeter progress("train", 10, 100.0);
  for (int step = 1; step <= 10; ++step)
    progress.update(100.0 + step, step, {.samples = 8.0 * step});
  progress.finish(120.0);
  EXPECT_TRUE(progress.finished());
  const std::string line = progress.bar(500.0, 80);
  EXPECT_THAT(line, HasSubstr("done in 00:20"));
  EXPECT_THAT(line, HasSubstr("4 samples/s"));
  EXPECT_THAT(line, Not(HasSubstr("─")));
}

TEST(ProgressMeter, StepsBeyondTheTotalDoNotOverflow) {
  ProgressMeter progress("", 10, 0);
  progress.update(1.0, 15);
  EXPECT_DOUBLE_EQ(*progress.seconds_left(1.0), 0);
  EXPECT_LE(display_width(progress.bar(1.0, 60)), 60u);
}

TEST(ProgressMeter, LossThatIsNotANumberIsShown) {
  ProgressMeter progress("", 10, 0);
  progress.update(1.0, 1, {.loss = std::numeric_limits<double>::quiet_NaN()});
  EXPECT_THAT(progress.bar(1.0, 80), HasSubstr("loss nan"));
}

TEST(ProgressMeter, PausesDoNotSwingTheEstimate) {
  ProgressMeter progress("", 1000, 0, 0, {.window_seconds = 1000});
  double now = 0;
  for (int step = 1; step <= 20; ++step) progress.update(now += 1, step);
  progress.update(now += 100, 21);  // an evaluation
  for (int step = 22; step <= 40; ++step) progress.update(now += 1, step);
  // 39 steps of a second, and one that counts five.
  EXPECT_NEAR(*progress.steps_per_second(), 40.0 / 44.0, 1e-12);
}

TEST(ProgressMeter, TheWindowForgets) {
  ProgressMeter progress("", 1000, 0, 0, {.window_seconds = 10});
  double now = 0;
  for (int step = 1; step <= 50; ++step) progress.update(now += 1, step);
  for (int step = 51; step <= 90; ++step) progress.update(now += 0.5, step);
  EXPECT_NEAR(*progress.steps_per_second(), 2.0, 1e-9);
}

TEST(ProgressMeter, FastStepsAreTimedTogether) {
  ProgressMeter progress("", 1'000'000, 0);
  for (int step = 1; step <= 100000; ++step) progress.update(step * 1e-4, step);
  EXPECT_NEAR(*progress.steps_per_second(), 1e4, 1.0);
}

TEST(ProgressMeter, ResumedRunsCountFromWhereTheyBegan) {
  ProgressMeter progress("", 1000, 0, 900);
  progress.update(1.0, 910);
  EXPECT_DOUBLE_EQ(*progress.steps_per_second(), 10.0);
  EXPECT_DOUBLE_EQ(*progress.seconds_left(1.0), 9.0);
}

// 10 samples a second of work; an evaluation of 100 seconds between, and 700 samples of the run
// before it was resumed.
TEST(ProgressMeter, RatesAreThoseOfTheWork) {
  ProgressMeter progress("training", 200, 1000, 70, {.window_seconds = 1e6});
  double now = 1000, busy = 0, samples = 0;
  for (int step = 71; step <= 110; ++step) {
    now += step == 90 ? 101 : 1;
    progress.update(now, step, {.samples = samples += 10, .busy_seconds = busy += 1});
  }
  EXPECT_NEAR(*progress.samples_per_second(), 10, 1e-9);
  progress.finish(now += 50);
  EXPECT_THAT(progress.bar(now, 100), HasSubstr("  10 samples/s"));
}

TEST(ProgressMeter, WhatWasDoneBeforeTheClockCountsInNoRate) {
  ProgressMeter progress("evaluating", 1000, 0, 500, {}, 500);
  for (int i = 1; i <= 10; ++i) progress.update(i, 500 + 10 * i, {.samples = 500.0 + 10 * i});
  EXPECT_DOUBLE_EQ(*progress.samples_per_second(), 10);
  progress.finish(10);
  EXPECT_THAT(progress.bar(10, 100), HasSubstr("  10 samples/s"));
}

TEST(ProgressMeter, LinesComeEveryFewSecondsAndOnceAtTheEnd) {
  ProgressMeter progress("epoch 1/1", 40, 0, 0, {.line_seconds = 10});
  int lines = 0;
  for (int step = 1; step <= 40; ++step) {
    progress.update(step, step, values(0.25, 1e-4, 8.0 * step));
    if (const auto line = progress.line(step)) {
      ++lines;
      if (lines == 2)
        EXPECT_EQ(*line,
                  "epoch 1/1  11/40 (27 %)  loss 0.2500  lr 0.0001  8 samples/s  00:29 left");
    }
  }
  EXPECT_EQ(lines, 4);
  progress.finish(40);
  EXPECT_EQ(progress.line(40),
            "epoch 1/1  40/40 (100 %)  loss 0.2500  lr 0.0001  8 samples/s  done in 00:40");
  EXPECT_FALSE(progress.line(60));
}

TEST(ProgressMeter, RedrawsAreSpaced) {
  ProgressMeter progress("", 10, 0);
  EXPECT_TRUE(progress.redraw_due(0));
  EXPECT_FALSE(progress.redraw_due(0.05));
  EXPECT_TRUE(progress.redraw_due(0.11));
  progress.finish(0.12);
  EXPECT_TRUE(progress.redraw_due(0.12));
}

}  // namespace
}  // namespace hone
