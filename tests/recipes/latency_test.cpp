// Latency side by side: rounds, medians, and when a difference counts.
#include "hone/recipes/latency.hpp"

#include <gtest/gtest.h>

#include "hone/recipes/layers.hpp"
#include "support/expect_error.hpp"
#include "support/small_bert.hpp"

namespace hone_test {
namespace {

using namespace hone;

Latency of(std::vector<double> seconds) {
  Latency latency{.name = "x"};
  latency.seconds = std::move(seconds);
  return latency;
}

TEST(Latency, OfPicturesIsThatOfOne) {
  ModelRequest request;
  request.name = "small-cnn";
  const Model model = load_model(request);
  EXPECT_GT(measure_latency({{"cnn", model}}, {.seconds = 0, .min_rounds = 2})[0].median, 0);
}

// 1.81 billion multiply-adds, as torchvision's page of ResNet18 has it.
TEST(Layers, OfConvolutionsCountTheirProducts) {
  ModelRequest request;
  request.name = "resnet18";
  double macs = 0;
  for (const LayerEntry& layer : describe_layers(load_model(request), 128))
    macs += layer.macs_per_token;
  EXPECT_EQ(macs, 1814073344);
}

TEST(Latency, MeasuresEveryCandidateInEveryRound) {
  const Model model = small_bert();
  ModelRequest request;
  request.name = "bert-tiny";
  request.settings = {{"num_hidden_layers", "8"}, {"vocab_size", "500"}};
  const Model large = load_model(request);
  const std::vector<Latency> measured =
      measure_latency({{"large", large}, {"small", model}},
                      {.tokens = 40, .seconds = 0, .min_rounds = 15, .max_rounds = 20});
  ASSERT_EQ(measured.size(), 2u);
  for (const Latency& latency : measured) {
    EXPECT_EQ(latency.seconds.size(), 15u);
    EXPECT_GT(latency.low, 0);
    EXPECT_LE(latency.low, latency.median);
    EXPECT_LE(latency.median, latency.high);
  }
  // 8 layers of width 128 against 2 of width 36.
  const Speedup more = speedup(measured[0], measured[1]);
  EXPECT_TRUE(more.faster());
  EXPECT_TRUE(speedup(measured[1], measured[0]).slower());
  const std::vector<LatencyEntry> entries = latency_entries(measured);
  EXPECT_FALSE(to_object(entries[0]).contains("speedup"));
  const Json json = to_object(entries[1]);
  EXPECT_EQ(json.at("speedup").get<double>(), more.ratio);
  EXPECT_EQ(json.at("faster"), true);
  EXPECT_EQ(json.at("rounds"), 15);
}

TEST(Latency, RoundsEndByTimeOrCount) {
  const Model model = small_bert();
  EXPECT_EQ(measure_latency({{"a", model}}, {.seconds = 1e9, .min_rounds = 1, .max_rounds = 4})[0]
                .seconds.size(),
            4u);
  EXPECT_TRUE(measure_latency({}).empty());
}

TEST(Latency, TokensFollowTheModel) {
  const Model model = small_bert();  // 80 positions
  EXPECT_EQ(latency_tokens(model.limits, 0, "m"), 80);
  EXPECT_EQ(latency_tokens(model.limits, 12, "m"), 12);
  EXPECT_ERROR(latency_tokens(model.limits, 81, "m"), ErrorCode::invalid_argument, "81 tokens",
               "lower it to 80");
}

TEST(Latency, NoiseIsNoSpeed) {
  // Ratios by round: 1.1 0.9 1.2 0.95 1.02 0.98 1.01.
  const Speedup noise =
      speedup(of({1.1, 0.9, 1.2, 0.95, 1.02, 0.98, 1.01}), of({1, 1, 1, 1, 1, 1, 1}));
  EXPECT_FALSE(noise.faster());
  EXPECT_FALSE(noise.slower());
  EXPECT_DOUBLE_EQ(noise.ratio, 1.01);
  EXPECT_EQ(to_string(noise).rfind("no faster (1.01 x, ", 0), 0u);
  // The load of the machine doubles midway: each round stays twice as fast.
  const Speedup twice = speedup(of({2, 2, 2.02, 4, 4, 4.04}), of({1, 1, 1, 2, 2, 2}));
  EXPECT_TRUE(twice.faster());
  EXPECT_EQ(to_string(twice), "2.00 x as fast (2.00 to 2.02)");
  EXPECT_EQ(to_string(speedup(of({1, 1, 1, 1, 1, 1}), of({2, 2, 2, 2, 2, 2}))),
            "slower (0.50 x, 0.50 to 0.50)");
  // Above the noise, and still nothing to speak of.
  EXPECT_FALSE(speedup(of(std::vector<double>(30, 1.01)), of(std::vector<double>(30, 1))).faster());
  EXPECT_ERROR(speedup(of({1}), of({1, 2})), ErrorCode::internal, "different measurements", "");
}

// Order statistics that hold the median with 95 %, from tables of the sign test: of 20 values the
// 6th from either end, of 10 the 2nd, of 6 the ends.
TEST(Latency, IntervalsAreThoseOfTheSignTest) {
  for (const auto& [count, rank] : {std::pair(20, 6), std::pair(10, 2), std::pair(6, 1)}) {
    std::vector<double> base, one(static_cast<std::size_t>(count), 1.0);
    for (int i = 1; i <= count; ++i) base.push_back(i);
    const Speedup found = speedup(of(base), of(one));
    EXPECT_EQ(found.low, rank);
    EXPECT_EQ(found.high, count + 1 - rank);
  }
}

}  // namespace
}  // namespace hone_test
