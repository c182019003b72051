#include "hone/search/detail/parzen.hpp"

#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "search/sampling.hpp"

namespace hone {
namespace {

using namespace hone_test;

struct Model {
  MemoryStudy study;
  History history;
  Parzen::Kept kept;
  std::vector<std::size_t> axes, rows;

  explicit Model(Space space, const std::vector<Assignment>& points) : study{std::move(space)} {
    for (const Assignment& point : points) study.add({point}, TrialState::complete, {0.0});
    history.update({study.space, study.directions, study.trials, 0, 0});
    axes.resize(history.axes().size());
    std::iota(axes.begin(), axes.end(), std::size_t{0});
    rows = history.usable();
  }
  Parzen make(const Parzen::Rules& rules = {}) {
    return {history, axes, rows, std::vector<double>(rows.size(), 1.0), rules, kept};
  }
  double density(const Parzen& parzen, const Assignment& at) {
    return std::exp(
        parzen.log_densities(std::vector<std::vector<double>>{history.axes().row(at)}).front());
  }
};

TEST(Parzen, DensityOfARealAxisIntegratesToOne) {
  for (const bool log : {false, true})
    for (const double width : {0.02, 0.2, 3.0}) {
      Model model(Space({real("x", 0.5, 8, 0, log)}), {{{"x", 0.5}}, {{"x", 0.9}}, {{"x", 8.0}}});
      const Parzen parzen = model.make({.width = width});
      double sum = 0;
      const int steps = 20000;
      for (int i = 0; i < steps; ++i)
        sum +=
            model.density(parzen, {{"x", model.history.axes()[0].internal_at((i + 0.5) / steps)}});
      EXPECT_NEAR(sum / steps, 1, 1e-5) << log << " " << width;
    }
}

TEST(Parzen, MassesOfValuesWithStepsSumToOne) {
  const std::vector<std::pair<Dimension, double>> cases{
      {integer("n", 1, 9), 1e-12},          {integer("n", 1, 60, 1, true), 1e-12},
      {integer("n", 0, 400, 2), 2e-3},      {integer("n", 1, 1000, 1, true), 2e-3},
      {real("n", -1, 1, 0.25), 1e-12},      {integer("n", 5, 6), 1e-12},
      {choice("n", {"a", "b", "c"}), 1e-12}};
  for (const auto& [of, tolerance] : cases) {
    const Distribution& values = of.distribution();
    const bool categorical = values.kind == DistributionKind::categorical;
    const auto value = [&](std::int64_t k) {
      return categorical ? static_cast<double>(k)
                         : values.low + static_cast<double>(k) * values.step;
    };
    const std::int64_t count = values.count();
    Model model(Space({of}),
                {{{"n", value(0)}}, {{"n", value(count / 2)}}, {{"n", value(count - 1)}}});
    const Parzen parzen = model.make();
    double sum = 0;
    for (std::int64_t k = 0; k < count; ++k) sum += model.density(parzen, {{"n", value(k)}});
    EXPECT_NEAR(sum, 1, tolerance) << count;
  }
}

TEST(Parzen, TinyRangesAreRanges) {
  const double low = 1e15, high = low + 1;
  Model model(Space({real("x", low, high), real("y", 1e-300, 3e-300)}),
              {{{"x", low}, {"y", 2e-300}}, {{"x", high}, {"y", 3e-300}}});
  const Parzen parzen = model.make();
  RandomStream random(1, 1);
  std::vector<double> point(2), none(2, absent);
  for (int i = 0; i < 100; ++i) {
    parzen.sample(random, none, i % 2 == 0, point);
    EXPECT_TRUE(model.history.axes()[0].distribution().contains(point[0]));
    EXPECT_TRUE(model.history.axes()[1].distribution().contains(point[1]));
    EXPECT_TRUE(
        std::isfinite(parzen.log_densities(std::vector<std::vector<double>>{point}).front()));
  }
}

// Kolmogorov and Smirnov: the largest distance to the distribution function, whose 1 % bound for n
// draws is 1.63 / sqrt(n).
TEST(Parzen, SamplesFollowTheDensity) {
  Model model(Space({real("x", 0, 1), integer("n", 1, 12), choice("c", {0, 1, 2})}),
              {{{"x", 0.02}, {"n", 1}, {"c", 2}}, {{"x", 0.7}, {"n", 7}, {"c", 0}}});
  const Parzen parzen = model.make({.width = 0.3, .softness = 1});
  RandomStream random(3, 5);
  const int draws = 20000;
  std::vector<double> xs, none(3, absent), point(3);
  std::map<double, int> counts, choices;
  for (int i = 0; i < draws; ++i) {
    parzen.sample(random, none, false, point);
    xs.push_back(point[0]);
    ++counts[point[1]];
    ++choices[point[2]];
  }
  std::sort(xs.begin(), xs.end());
  double cumulative = 0, most = 0;
  std::size_t next = 0;
  for (int i = 0; i < 2000; ++i) {
    cumulative += model.density(parzen, {{"x", (i + 0.5) / 2000}}) / 2000;
    while (next < xs.size() && xs[next] < (i + 1.0) / 2000) ++next;
    most = std::max(most, std::abs(static_cast<double>(next) / draws - cumulative));
  }
  EXPECT_LT(most, 1.63 / std::sqrt(draws));
  // Pearson's chi-square: its 0.1 % bound for 11 degrees of freedom is 31.3, for 2 it is 13.8.
  double square = 0;
  for (int n = 1; n <= 12; ++n) {
    const double expected = draws * model.density(parzen, {{"n", n}});
    square += (counts[n] - expected) * (counts[n] - expected) / expected;
  }
  EXPECT_LT(square, 31.3);
  square = 0;
  for (int c = 0; c < 3; ++c) {
    const double expected = draws * model.density(parzen, {{"c", c}});
    square += (choices[c] - expected) * (choices[c] - expected) / expected;
  }
  EXPECT_LT(square, 13.8);
}

// Kernels are products: the density of two axes from plain sums.
TEST(Parzen, JointDensityIsTheMixtureOfProducts) {
  Model model(Space({real("x", 0, 1), choice("c", {0, 1, 2, 3})}),
              {{{"x", 0.25}, {"c", 1}}, {{"x", 0.5}, {"c", 2}}});
  const Parzen::Rules rules{.prior_weight = 0.5, .width = 0.4, .softness = 1};
  const Parzen parzen = model.make(rules);
  const double width = 0.4 * std::pow(2.0, -1.0 / 5), soft = 0.5 / 3;
  const auto normal = [&](double x, double centre) {
    const auto cdf = [&](double at) { return 0.5 * std::erfc(-(at - centre) / width / M_SQRT2); };
    return std::exp(-0.5 * std::pow((x - centre) / width, 2)) / width / std::sqrt(2 * M_PI) /
           (cdf(1) - cdf(0));
  };
  for (const double x : {0.0, 0.3, 1.0})
    for (const int c : {0, 1, 2}) {
      const auto mass = [&](int own) { return ((c == own) + soft) / (1 + 4 * soft); };
      const double expected =
          (normal(x, 0.25) * mass(1) + normal(x, 0.5) * mass(2) + 0.5 * 0.25) / 2.5;
      EXPECT_NEAR(model.density(parzen, {{"x", x}, {"c", c}}) / expected, 1, 1e-10);
    }
}

// A trial of another branch is flat where it has no value: the density over the whole space, summed
// over branches, is one.
TEST(Parzen, BranchesAreOneDensity) {
  Model model(Space({choice("kind", {"a", "b"}), when(integer("n", 1, 5), "kind", {"a"}),
                     when(integer("m", 1, 8), "kind", {"b"})}),
              {{{"kind", 0}, {"n", 2}}, {{"kind", 1}, {"m", 7}}, {{"kind", 1}, {"m", 1}}});
  const Parzen parzen = model.make();
  double sum = 0;
  for (int n = 1; n <= 5; ++n) sum += model.density(parzen, {{"kind", 0}, {"n", n}});
  for (int m = 1; m <= 8; ++m) sum += model.density(parzen, {{"kind", 1}, {"m", m}});
  EXPECT_NEAR(sum, 1, 1e-12);
}

TEST(Parzen, WithoutTrialsItIsUniform) {
  Model model(Space({real("x", 0, 2), choice("c", {0, 1})}), {});
  const Parzen parzen = model.make({.prior_weight = 0});
  EXPECT_DOUBLE_EQ(model.density(parzen, {{"x", 0.3}, {"c", 1}}), 0.5);
}

}  // namespace
}  // namespace hone
