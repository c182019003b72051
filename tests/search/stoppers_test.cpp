#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "hone/search/stopper.hpp"
#include "search/sampling.hpp"

namespace hone {
namespace {

using namespace hone_test;

constexpr double no_value = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();
using Curve = std::map<std::int64_t, double>;

Trial trial_of(std::int64_t number, Curve curve, TrialState state = TrialState::complete) {
  Trial trial{.id = TrialId{number}, .number = number, .state = state};
  trial.intermediate = std::move(curve);
  return trial;
}

bool stops(const std::string& name, const Options& given, const std::vector<Curve>& others,
           Curve own, Direction direction = Direction::minimize,
           TrialState state = TrialState::complete) {
  const Stopper& stopper = find_member(stopper_table(), name, "stopper");
  std::vector<Trial> trials;
  for (const Curve& curve : others)
    trials.push_back(trial_of(static_cast<std::int64_t>(trials.size()), curve, state));
  const Trial trial =
      trial_of(static_cast<std::int64_t>(trials.size()), std::move(own), TrialState::running);
  const Options options = complete_options(stopper.options, given, name);
  return stopper.stop({trial, trial.intermediate.rbegin()->first, direction, trials, options});
}

const std::vector<Curve> five{
    {{1, 1}, {2, 0.5}}, {{1, 2}, {2, 1}}, {{1, 3}, {2, 2}}, {{1, 4}, {2, 3}}, {{1, 5}, {2, 4}}};

TEST(Median, BestSoFarAgainstTheMedianAtTheStep) {
  EXPECT_FALSE(stops("median", {}, five, {{1, 3}}));
  EXPECT_TRUE(stops("median", {}, five, {{1, 3.1}}));
  EXPECT_FALSE(stops("median", {}, five, {{1, 2}, {2, 9}}));
  EXPECT_TRUE(stops("median", {}, five, {{1, 2.5}, {2, 9}}));
  // More is better: 3 is the median too.
  EXPECT_TRUE(stops("median", {}, five, {{1, 2.9}}, Direction::maximize));
  EXPECT_FALSE(stops("median", {}, five, {{1, 3}}, Direction::maximize));
}

TEST(Median, FewTrialsAndWarmUp) {
  const std::vector<Curve> four(five.begin(), five.begin() + 4);
  EXPECT_FALSE(stops("median", {}, four, {{1, 99}}));
  EXPECT_FALSE(stops("median", {}, {}, {{1, no_value}}));
  EXPECT_TRUE(stops("median", {{"n_startup_trials", std::int64_t{4}}}, four, {{1, 99}}));
  EXPECT_FALSE(stops("median", {{"n_warmup_steps", std::int64_t{2}}}, five, {{1, 99}}));
  EXPECT_TRUE(stops("median", {{"n_warmup_steps", std::int64_t{2}}}, five, {{1, 99}, {2, 99}}));
  EXPECT_FALSE(stops("median", {{"n_min_trials", std::int64_t{6}}}, five, {{1, 99}}));
  // Only complete trials count.
  EXPECT_FALSE(stops("median", {}, five, {{1, 99}}, Direction::minimize, TrialState::pruned));
}

TEST(Median, IntervalsAreCountedFromTheWarmUp) {
  std::vector<Curve> others(5);
  for (Curve& curve : others)
    for (int step = 0; step < 20; ++step) curve[step] = 0;
  const Options options{{"n_warmup_steps", std::int64_t{3}}, {"interval_steps", std::int64_t{5}}};
  Curve own;
  std::vector<int> stopped;
  for (int step = 0; step < 20; ++step) {
    if (step == 8) continue;  // a gap: the first value of the interval decides
    own[step] = 1;
    if (stops("median", options, others, own)) stopped.push_back(step);
  }
  EXPECT_EQ(stopped, (std::vector<int>{3, 9, 13, 18}));
}

TEST(Median, StepsOfOthersMayHaveGaps) {
  const std::vector<Curve> others(5, Curve{{10, 1}, {30, 0.5}});
  EXPECT_TRUE(stops("median", {}, others, {{20, 1.1}}));
  EXPECT_FALSE(stops("median", {}, others, {{20, 1}}));
  EXPECT_FALSE(stops("median", {}, others, {{40, 9}}));  // nobody came there
  EXPECT_FALSE(stops("median", {}, others, {{5, 9}}));   // nobody has a value yet
}

TEST(Median, NotANumber) {
  EXPECT_TRUE(stops("median", {}, five, {{1, no_value}}));
  EXPECT_FALSE(stops("median", {}, five, {{1, 1}, {2, no_value}}));
  const std::vector<Curve> others{
      {{1, no_value}}, {{1, no_value}}, {{1, 2}}, {{1, 2}}, {{1, infinity}}};
  EXPECT_FALSE(stops("median", {}, others, {{1, 2}}));
  EXPECT_TRUE(stops("median", {}, others, {{1, 2.5}}));
}

TEST(Percentile, BetweenValues) {
  // numpy.percentile([1, 2, 3, 4, 5], 30) = 2.2; of the other side 3.8.
  const Options options{{"percentile", 30.0}};
  EXPECT_FALSE(stops("percentile", options, five, {{1, 2.2}}));
  EXPECT_TRUE(stops("percentile", options, five, {{1, 2.2000001}}));
  EXPECT_FALSE(stops("percentile", options, five, {{1, 3.8}}, Direction::maximize));
  EXPECT_TRUE(stops("percentile", options, five, {{1, 3.7999999}}, Direction::maximize));
  EXPECT_FALSE(stops("percentile", {{"percentile", 100.0}}, five, {{1, 5}}));
  EXPECT_TRUE(stops("percentile", {{"percentile", 0.0}}, five, {{1, 1.5}}));
}

TEST(Asha, TheBestPartOfARungGoesOn) {
  const Options options{{"min_resource", std::int64_t{2}}, {"reduction_factor", 2.0}};
  const std::vector<Curve> others{{{2, 1}}, {{2, 2}}, {{2, 3}}};
  // Four at the rung, two places.
  EXPECT_FALSE(stops("asha", options, others, {{2, 1.5}}));
  EXPECT_FALSE(stops("asha", options, others, {{2, 2}}));  // a tie
  EXPECT_TRUE(stops("asha", options, others, {{2, 2.5}}));
  EXPECT_TRUE(stops("asha", options, others, {{2, 1.5}}, Direction::maximize));
  EXPECT_FALSE(stops("asha", options, others, {{2, 2.5}}, Direction::maximize));
  // Before the first rung, and between rungs.
  EXPECT_FALSE(stops("asha", options, others, {{1, 99}}));
  EXPECT_FALSE(stops("asha", options, others, {{2, 1}, {3, 99}}));
  // At the rung of four steps nobody else was; the first one there goes on.
  EXPECT_FALSE(stops("asha", options, others, {{2, 1}, {4, 99}}));
  EXPECT_TRUE(stops("asha", options, others, {{2, no_value}}));
  EXPECT_TRUE(stops("asha",
                    {{"min_resource", std::int64_t{1}},
                     {"reduction_factor", 2.0},
                     {"min_early_stopping_rate", std::int64_t{1}}},
                    others, {{2, 2.5}}));
}

TEST(Asha, RungsWithGaps) {
  const Options options{{"min_resource", std::int64_t{1}}, {"reduction_factor", 3.0}};
  // The values at rung 3 are those of steps 4, 3 and 5.
  const std::vector<Curve> others{{{2, 9}, {4, 1}}, {{1, 0}, {3, 2}}, {{5, 3}}};
  EXPECT_TRUE(stops("asha", options, others, {{1, 0}, {7, 2.5}}));
  EXPECT_FALSE(stops("asha", options, others, {{1, 0}, {7, 1}}));
  // Step 7 passes rungs 1 and 3: the value is asked at both, and 0 is the best at rung 1.
  EXPECT_TRUE(stops("asha", options, others, {{7, 0.5}}));
}

TEST(Asha, ResourceFromTheFirstCompleteTrial) {
  EXPECT_FALSE(
      stops("asha", {}, {{{100, 0}}}, {{100, 1}}, Direction::minimize, TrialState::running));
  Curve whole;
  for (int step = 1; step <= 1000; ++step) whole[step] = 0;
  EXPECT_FALSE(stops("asha", {}, {whole}, {{9, 1}}));
  EXPECT_TRUE(stops("asha", {}, {whole}, {{10, 1}}));
}

// Many trials whose order does not change: of n at the first rung about n / factor pass, of those
// the same share the next.
TEST(Asha, SharesOfRungs) {
  const Stopper& stopper = find_member(stopper_table(), "asha", "stopper");
  const Options options = complete_options(
      stopper.options, {{"min_resource", std::int64_t{1}}, {"reduction_factor", 3.0}}, "asha");
  RandomStream random(3, 3);
  std::vector<Trial> trials;
  std::map<std::int64_t, int> arrived;
  for (int number = 0; number < 300; ++number) {
    Trial trial = trial_of(number, {}, TrialState::running);
    const double quality = random.uniform();
    for (const std::int64_t step : {1, 3, 9, 27}) {
      trial.intermediate[step] = quality / static_cast<double>(step);
      ++arrived[step];
      if (stopper.stop({trial, step, Direction::minimize, trials, options})) break;
    }
    trials.push_back(trial);
  }
  EXPECT_EQ(arrived[1], 300);
  EXPECT_NEAR(arrived[3], 100, 25);
  EXPECT_NEAR(arrived[9], 33, 15);
  EXPECT_NEAR(arrived[27], 11, 8);
}

TEST(Hyperband, BracketsBeginAtDifferentRungs) {
  const Stopper& stopper = find_member(stopper_table(), "hyperband", "stopper");
  const Options options =
      complete_options(stopper.options, {{"max_resource", std::int64_t{81}}}, "hyperband");
  // Against one trial of each number that is better everywhere, each loses at its bracket's first
  // rung.
  std::vector<Trial> trials;
  for (int number = 0; number < 400; ++number)
    trials.push_back(trial_of(number, {{1, -1}, {3, -1}, {9, -1}, {27, -1}, {81, -1}}));
  std::map<std::int64_t, int> first;
  for (int number = 400; number < 800; ++number) {
    Trial trial = trial_of(number, {}, TrialState::running);
    for (const std::int64_t step : {1, 3, 9, 27, 81}) {
      trial.intermediate[step] = 0;
      if (!stopper.stop({trial, step, Direction::minimize, trials, options})) continue;
      ++first[step];
      break;
    }
  }
  // The paper's table for R = 81, factor 3: 81, 34, 15, 8, 5 trials.
  const double all = 81 + 34 + 15 + 8 + 5;
  const std::map<std::int64_t, int> shares{{1, 81}, {3, 34}, {9, 15}, {27, 8}, {81, 5}};
  for (const auto& [step, share] : shares) EXPECT_NEAR(first[step], 400 * share / all, 6) << step;
}

TEST(Hyperband, NothingWithoutAnEnd) {
  EXPECT_FALSE(
      stops("hyperband", {}, {{{1, 0}}}, {{1, 5}}, Direction::minimize, TrialState::running));
}

TEST(Patience, OwnCurveAlone) {
  const Options options{{"patience", std::int64_t{2}}};
  EXPECT_FALSE(stops("patience", options, {}, {{1, 5}, {2, 6}}));
  EXPECT_TRUE(stops("patience", options, {}, {{1, 5}, {2, 6}, {3, 5}}));
  EXPECT_FALSE(stops("patience", options, {}, {{1, 5}, {2, 6}, {3, 4}}));
  EXPECT_TRUE(stops("patience", options, {}, {{1, 5}, {2, 6}, {3, 7}}, Direction::minimize));
  EXPECT_FALSE(stops("patience", options, {}, {{1, 5}, {2, 6}, {3, 7}}, Direction::maximize));
  EXPECT_TRUE(stops("patience", {{"patience", std::int64_t{2}}, {"min_delta", 0.5}}, {},
                    {{1, 5}, {2, 4.8}, {3, 4.6}}));
  EXPECT_TRUE(stops("patience", options, {}, {{1, no_value}, {2, no_value}}));
  EXPECT_FALSE(stops("patience", options, {}, {{1, no_value}, {2, infinity}}));
  EXPECT_FALSE(stops("patience",
                     {{"patience", std::int64_t{2}}, {"n_warmup_steps", std::int64_t{9}}}, {},
                     {{1, 5}, {2, 6}, {3, 5}}));
}

TEST(Threshold, BoundsAndNaN) {
  const Options options{{"lower", 0.0}, {"upper", 2.0}};
  EXPECT_FALSE(stops("threshold", options, {}, {{0, 0}}));
  EXPECT_FALSE(stops("threshold", options, {}, {{0, 2}}));
  EXPECT_TRUE(stops("threshold", options, {}, {{0, 2.1}}));
  EXPECT_TRUE(stops("threshold", options, {}, {{0, -0.1}}));
  EXPECT_TRUE(stops("threshold", {}, {}, {{0, no_value}}));
  EXPECT_FALSE(stops("threshold", {}, {}, {{0, infinity}}));
  EXPECT_FALSE(
      stops("threshold", {{"upper", 2.0}, {"n_warmup_steps", std::int64_t{3}}}, {}, {{2, 9}}));
}

}  // namespace
}  // namespace hone
