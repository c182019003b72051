#include "hone/tasks/metrics.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "hone/core/philox.hpp"
#include "support/expect_error.hpp"

namespace hone_test {
namespace {

using namespace hone;

using Counts = std::vector<std::vector<std::int64_t>>;

TEST(Wilson, KnownIntervals) {
  const struct {
    std::int64_t hits, count;
    double low, high;
  } known[] = {{0, 10, 0.0, 0.2775327998628892},
               {5, 10, 0.236593090512564, 0.763406909487436},
               {8, 10, 0.4901624715366418, 0.9433178485456247},
               {1, 1, 0.20654931437723742, 1.0},
               {21675, 25000, 0.862734227102706, 0.8711530049940488}};
  for (const auto& each : known) {
    const Interval interval = wilson_interval(each.hits, each.count);
    EXPECT_NEAR(interval.low, each.low, 1e-12);
    EXPECT_NEAR(interval.high, each.high, 1e-12);
  }
  EXPECT_EQ(wilson_interval(0, 0).low, 0);
  EXPECT_EQ(wilson_interval(0, 0).high, 1);
}

// By hand: 10 samples of three classes.
TEST(Metrics, OfAConfusionMatrix) {
  const Metrics m = measure_confusion({{3, 1, 0}, {0, 2, 1}, {1, 0, 2}}, 0.5);
  EXPECT_EQ(m.samples, 10);
  EXPECT_EQ(m.correct, 7);
  EXPECT_DOUBLE_EQ(m.accuracy, 0.7);
  EXPECT_EQ(m.loss, 0.5);
  ASSERT_EQ(m.classes.size(), 3u);
  EXPECT_EQ(m.classes[0].support, 4);
  EXPECT_EQ(m.classes[0].predicted, 4);
  EXPECT_DOUBLE_EQ(m.classes[0].precision.value, 3.0 / 4);
  EXPECT_DOUBLE_EQ(m.classes[0].recall.value, 3.0 / 4);
  EXPECT_DOUBLE_EQ(m.classes[1].precision.value, 2.0 / 3);
  EXPECT_DOUBLE_EQ(m.classes[1].recall.value, 2.0 / 3);
  EXPECT_DOUBLE_EQ(m.classes[2].f1.value, 2.0 / 3);
  EXPECT_DOUBLE_EQ(m.macro_f1.value, (3.0 / 4 + 2.0 / 3 + 2.0 / 3) / 3);
  // (s c - sum p t) / sqrt((s^2 - sum p^2) (s^2 - sum t^2)) = (70 - 34) / (100 - 34).
  EXPECT_DOUBLE_EQ(m.mcc.value, 36.0 / 66);
  EXPECT_EQ(m.classes[0].recall.low, wilson_interval(3, 4).low);
  EXPECT_EQ(m.interval.high, wilson_interval(7, 10).high);
}

// Of two classes Matthews' correlation is (TP TN - FP FN) / sqrt of the four sums.
TEST(Metrics, MatthewsOfTwoClasses) {
  const Metrics m = measure_confusion({{90, 10}, {5, 20}}, 0);
  EXPECT_NEAR(m.mcc.value, (90.0 * 20 - 10.0 * 5) / std::sqrt(100.0 * 25 * 95 * 30), 1e-15);
  // The same with the classes the other way round.
  EXPECT_DOUBLE_EQ(measure_confusion({{20, 5}, {10, 90}}, 0).mcc.value, m.mcc.value);
}

// As scikit-learn's zero_division=0; classes that do not occur at all are not averaged.
TEST(Metrics, ClassesThatDoNotOccur) {
  const Metrics m = measure_confusion({{4, 1, 0, 0}, {0, 5, 0, 0}, {0, 2, 0, 0}, {0, 0, 0, 0}}, 0);
  EXPECT_EQ(m.classes[2].precision.value, 0);  // never predicted
  EXPECT_FALSE(m.classes[2].precision.has_interval());
  EXPECT_EQ(m.classes[2].recall.value, 0);
  EXPECT_TRUE(m.classes[2].recall.has_interval());
  EXPECT_EQ(m.classes[3].recall.value, 0);
  EXPECT_FALSE(m.classes[3].recall.has_interval());
  EXPECT_DOUBLE_EQ(m.macro_f1.value, (8.0 / 9 + 10.0 / 13 + 0) / 3);
  // One class only, all of it predicted: Matthews' correlation is undefined, and 0 by convention.
  const Metrics one = measure_confusion({{7, 0}, {0, 0}}, 0);
  EXPECT_EQ(one.mcc.value, 0);
  EXPECT_EQ(one.accuracy, 1);
  EXPECT_EQ(one.macro_f1.value, 1);
}

TEST(Metrics, OfLogits) {
  const std::vector<float> values{2, 1, 0, 5, 1, 1, -3, 4};
  const Tensor logits = Tensor::from<float>(DType::f32, {4, 2}, values);
  const std::vector<std::int32_t> labels{0, 1, 1, 1};
  const Metrics m = measure_classes(logits, labels);
  // Of two equal logits the first class is the answer.
  EXPECT_EQ(m.confusion, (Counts{{1, 0}, {1, 2}}));
  const double loss = std::log1p(std::exp(-1.0)) + std::log1p(std::exp(-5.0)) + std::log(2.0) +
                      std::log1p(std::exp(-7.0));
  EXPECT_NEAR(m.loss, loss / 4, 1e-12);
}

// Tables drawn from known probabilities: about 95 % of the intervals hold the true figure.
TEST(Metrics, IntervalsCover) {
  const std::vector<std::vector<std::vector<double>>> truths{
      {{0.45, 0.05}, {0.1, 0.4}},
      {{0.85, 0.05}, {0.04, 0.06}},
      {{0.495, 0.005}, {0.005, 0.495}},
      {{0.3, 0.03, 0.02}, {0.05, 0.25, 0.05}, {0.02, 0.08, 0.2}}};
  for (std::size_t t = 0; t < truths.size(); ++t) {
    SCOPED_TRACE(t);
    const auto& p = truths[t];
    Counts limit(p.size(), std::vector<std::int64_t>(p.size()));
    for (std::size_t i = 0; i < p.size(); ++i)
      for (std::size_t j = 0; j < p.size(); ++j) limit[i][j] = std::llround(p[i][j] * 1e6);
    const Metrics truth = measure_confusion(limit, 0);
    RandomStream random(11, static_cast<std::uint32_t>(t));
    constexpr int tables = 1500, samples = 200;
    int macro = 0, mcc = 0, f1 = 0;
    const auto holds = [](const Score& score, double value) {
      return score.low <= value && value <= score.high ? 1 : 0;
    };
    for (int n = 0; n < tables; ++n) {
      Counts counts(p.size(), std::vector<std::int64_t>(p.size()));
      for (int s = 0; s < samples; ++s) {
        double u = random.uniform();
        std::size_t i = 0, j = 0;
        while (u >= p[i][j] && !(i + 1 == p.size() && j + 1 == p.size())) {
          u -= p[i][j];
          if (++j == p.size()) j = 0, ++i;
        }
        ++counts[i][j];
      }
      const Metrics m = measure_confusion(counts, 0);
      EXPECT_LE(m.mcc.low, m.mcc.value);
      EXPECT_GE(m.mcc.high, m.mcc.value);
      macro += holds(m.macro_f1, truth.macro_f1.value);
      mcc += holds(m.mcc, truth.mcc.value);
      f1 += holds(m.classes[1].f1, truth.classes[1].f1.value);
    }
    for (const int hits : {macro, mcc, f1}) {
      EXPECT_GE(hits, 0.93 * tables);
      EXPECT_LE(hits, 0.995 * tables);
    }
  }
}

// Without a mistake there still is a width, and it falls with the samples.
TEST(Metrics, APerfectTableHasAnInterval) {
  double before = 0;
  for (const std::int64_t half : {5, 50, 500}) {
    const Metrics m = measure_confusion({{half, 0}, {0, half}}, 0);
    for (const Score* score : {&m.macro_f1, &m.mcc, &m.classes[0].f1}) {
      EXPECT_EQ(score->value, 1);
      EXPECT_EQ(score->high, 1);
      EXPECT_LT(score->low, 1);
    }
    EXPECT_GT(m.mcc.low, before);
    before = m.mcc.low;
  }
  EXPECT_GT(before, 0.97);
}

TEST(Metrics, OfValues) {
  const std::vector<float> given{1, 2, 3, 4, 6}, wanted{1, 3, 2, 5, 5};
  const Tensor values = Tensor::from<float>(DType::f32, {5, 1}, given);
  const Metrics m = measure_values(values, wanted);
  EXPECT_FALSE(m.of_classes());
  EXPECT_DOUBLE_EQ(m.mse.value, 4.0 / 5);
  EXPECT_DOUBLE_EQ(m.mae.value, 4.0 / 5);
  EXPECT_EQ(m.loss, m.mse.value);
  // Squares of the targets about their mean 3.2: 12.8.
  EXPECT_NEAR(m.r2.value, 1 - 4 / 12.8, 1e-12);
  // Products about the means 3.2 and 3.2: 11.8; squares 14.8 and 12.8.
  EXPECT_NEAR(m.pearson.value, 11.8 / std::sqrt(14.8 * 12.8), 1e-12);
  // Ranks 1 2 3 4 5 and 1 3 2 4.5 4.5: products 8.5, squares 10 and 9.5.
  EXPECT_NEAR(m.spearman.value, 8.5 / std::sqrt(10 * 9.5), 1e-12);
  EXPECT_NEAR(m.pearson.low,
              std::tanh(std::atanh(m.pearson.value) - 1.959963984540054 / std::sqrt(2)), 1e-12);
  EXPECT_LT(m.mse.low, m.mse.value);
  // All targets the same: nothing to explain, and no order.
  const Metrics flat = measure_values(values, std::vector<float>(5, 2.0f));
  EXPECT_FALSE(flat.r2.is_defined());
  EXPECT_FALSE(flat.pearson.is_defined());
  EXPECT_FALSE(flat.spearman.is_defined());
  const Tensor single = Tensor::from<float>(DType::f32, {1, 1}, std::vector<float>{2.0f});
  const Metrics one = measure_values(single, std::vector<float>{4.0f});
  EXPECT_EQ(one.mse.value, 4);
  EXPECT_FALSE(one.mse.has_interval());
}

TEST(Metrics, ReadBackFromJson) {
  const Metrics m = measure_confusion({{3, 1, 0}, {0, 2, 1}, {1, 0, 2}}, 0.25);
  const Json json = parse_json(to_json(m, {"a", "b", "c"}).dump());
  EXPECT_EQ(json.at("labels").at(1), "b");
  EXPECT_EQ(json.at("confusion").at(1).at(2), 1);  // [true][predicted]
  EXPECT_EQ(json.at("macro_f1"), m.macro_f1.value);
  EXPECT_EQ(json.at("intervals").at("mcc").at(0), m.mcc.low);
  EXPECT_EQ(json.at("classes").at(2).at("recall"), m.classes[2].recall.value);
  const Metrics again = read_metrics(json);
  EXPECT_EQ(again.confusion, m.confusion);
  EXPECT_EQ(to_json(again, {"a", "b", "c"}), to_json(m, {"a", "b", "c"}));
  const Tensor values = Tensor::from<float>(DType::f32, {2, 1}, std::vector<float>{1.5f, 0.1f});
  const Json of_values = to_json(measure_values(values, std::vector<float>{3.0f, 3.0f}), {});
  EXPECT_TRUE(parse_json(of_values.dump()).at("r2").is_null());
  EXPECT_EQ(to_json(read_metrics(parse_json(of_values.dump())), {}).dump(), of_values.dump());
  for (const char* bad :
       {R"({"loss": 1, "confusion": [[1, 2]]})", R"({"loss": 1, "confusion": [[1, -2], [0, 1]]})",
        R"({"loss": 1, "confusion": [[0, 0], [0, 0]]})"})
    EXPECT_ERROR(read_metrics(parse_json(bad)), ErrorCode::bad_format, "confusion");
}

TEST(Metrics, AmongTheFiveMostProbable) {
  constexpr std::size_t samples = 40, classes = 8;
  std::vector<float> logits;
  std::vector<std::int32_t> labels;
  std::int64_t hits = 0;
  for (std::size_t s = 0; s < samples; ++s) {
    std::vector<std::pair<float, std::size_t>> order;
    for (std::size_t c = 0; c < classes; ++c) {
      // (Equal numbers among them: the first is the larger.)
      logits.push_back(static_cast<float>(s * 31 % 7 * (c * 5 % 8) % 6));
      order.emplace_back(-logits.back(), c);
    }
    labels.push_back(static_cast<std::int32_t>(s * 3 % classes));
    std::sort(order.begin(), order.end());
    for (std::size_t i = 0; i < 5; ++i)
      hits += order[i].second == static_cast<std::size_t>(labels.back()) ? 1 : 0;
  }
  const Metrics metrics =
      measure_classes(Tensor::from<float>(DType::f32, {samples, classes}, logits), labels);
  EXPECT_DOUBLE_EQ(metrics.top5.value, static_cast<double>(hits) / samples);
  EXPECT_GE(metrics.top5.value, metrics.accuracy);
  const Interval interval = wilson_interval(hits, samples);
  EXPECT_DOUBLE_EQ(metrics.top5.low, interval.low);
  EXPECT_DOUBLE_EQ(metric_value(metrics, "top5"), metrics.top5.value);
  const Metrics back = read_metrics(to_json(metrics, std::vector<std::string>(classes, "x")));
  EXPECT_DOUBLE_EQ(back.top5.value, metrics.top5.value);
  EXPECT_DOUBLE_EQ(back.top5.high, metrics.top5.high);
  // Of five classes it says nothing.
  const std::vector<std::int32_t> two{0, 4};
  EXPECT_FALSE(measure_classes(Tensor(DType::f32, {2, 5}), two).top5.is_defined());
}

TEST(Metrics, WhatBestMeans) {
  const Metrics m = measure_confusion({{3, 1}, {0, 2}}, 0.25);
  for (const std::string& name : metric_names(true))
    EXPECT_FALSE(std::isnan(metric_value(m, name)));
  EXPECT_EQ(metric_value(m, "macro_f1"), m.macro_f1.value);
  EXPECT_TRUE(std::isnan(metric_value(m, "mse")));
  EXPECT_FALSE(higher_is_better("loss"));
  EXPECT_TRUE(higher_is_better("mcc"));
}

}  // namespace
}  // namespace hone_test
