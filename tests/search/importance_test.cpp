// Importance of parameters against analyses of variance that are exact.
#include "hone/search/importance.hpp"

#include <cmath>
#include <limits>
#include <numeric>

#include <gtest/gtest.h>

#include "search/sampling.hpp"

namespace hone_test {
namespace {

using namespace hone;
using hone_test::choice;
using hone_test::integer;
using hone_test::MemoryStudy;
using hone_test::real;
using hone_test::when;

struct Told {
  std::vector<Trial> trials;
  std::vector<double> objective;
  TrialColumns columns;

  ObjectiveForest forest(const ForestOptions& options = {}) const {
    return ObjectiveForest(columns, objective, options);
  }
};

Told tell(MemoryStudy study, const std::vector<Assignment>& asked, const auto& objective) {
  Told told;
  for (const Assignment& values : asked) {
    told.objective.push_back(objective(values));
    study.add({.values = values}, TrialState::complete, {told.objective.back()});
  }
  told.trials = study.trials;
  told.columns = columns_of(told.trials);
  return told;
}

// Every combination once.
std::vector<Assignment> full_grid(const std::vector<std::pair<std::string, int>>& sizes) {
  std::vector<Assignment> all{{}};
  for (const auto& [name, size] : sizes) {
    std::vector<Assignment> longer;
    for (const Assignment& one : all)
      for (int i = 0; i < size; ++i) {
        longer.push_back(one);
        longer.back()[name] = i;
      }
    all = std::move(longer);
  }
  return all;
}

// Shares of the variance by the textbook's sums of squares of a two-way table without repetition.
struct TwoWay {
  double rows = 0, columns = 0, together = 0;
};
TwoWay analyse(const std::vector<std::vector<double>>& table) {
  const auto n = static_cast<double>(table.size()), m = static_cast<double>(table[0].size());
  double mean = 0, total = 0;
  std::vector<double> of_column(table[0].size(), 0);
  for (const auto& row : table) mean += std::accumulate(row.begin(), row.end(), 0.0) / n / m;
  TwoWay found;
  for (const auto& row : table) {
    const double of_row = std::accumulate(row.begin(), row.end(), 0.0) / m;
    found.rows += m * (of_row - mean) * (of_row - mean);
    for (std::size_t j = 0; j < row.size(); ++j) {
      total += (row[j] - mean) * (row[j] - mean);
      of_column[j] += row[j] / n;
    }
  }
  for (const double one : of_column) found.columns += n * (one - mean) * (one - mean);
  found.rows /= total;
  found.columns /= total;
  found.together = 1 - found.rows - found.columns;
  return found;
}

double two_way(double x, double y) { return 3 * x - y * y + (x == 2 && y == 3 ? 11 : 0); }

// Leaves are the cells of the grid: the forest is the function, and its analysis the textbook's.
TEST(Importance, OfAFullGridIsTheTwoWayAnalysisOfVariance) {
  std::vector<std::vector<double>> table(4, std::vector<double>(5));
  for (int x = 0; x < 4; ++x)
    for (int y = 0; y < 5; ++y) table[x][y] = two_way(x, y);
  const TwoWay exact = analyse(table);
  ASSERT_GT(exact.together, 0.05);
  const std::vector<std::pair<const char*, std::vector<Dimension>>> spaces{
      {"choices", {choice("x", {"a", "b", "c", "d"}), choice("y", {1, 2, 3, 4, 5})}},
      {"whole numbers", {integer("x", 0, 3), integer("y", 0, 4)}},
      {"mixed", {choice("x", {true, false, nullptr, 7}), real("y", 0, 4, 1)}}};
  for (const auto& [name, space] : spaces) {
    const Told told = tell({Space(space)}, full_grid({{"x", 4}, {"y", 5}}),
                           [](const Assignment& v) { return two_way(v.at("x"), v.at("y")); });
    const ObjectiveForest forest = told.forest({.trees = 4, .bootstrap = false});
    const std::vector<Importance> found = forest.importances();
    ASSERT_EQ(found.size(), 2u);
    EXPECT_NEAR(found[0].share, exact.rows, 1e-12) << name;
    EXPECT_NEAR(found[1].share, exact.columns, 1e-12) << name;
    EXPECT_NEAR(found[0].deviation, 0, 1e-12) << name;
    // The means are those of the table, the grid of both is the table.
    const std::vector<double> at_x{0, 1, 2, 3}, at_y{0, 1, 2, 3, 4};
    const std::vector<double> means = forest.means(0, at_x);
    const std::vector<double> both = forest.means(0, at_x, 1, at_y);
    for (std::size_t x = 0; x < 4; ++x) {
      EXPECT_NEAR(means[x], std::accumulate(table[x].begin(), table[x].end(), 0.0) / 5, 1e-9);
      for (std::size_t y = 0; y < 5; ++y) EXPECT_NEAR(both[x * 5 + y], table[x][y], 1e-9);
    }
  }
}

// f = 4 a + 2 b + 0 c, a and b uniform: variances 16 / 12 and 4 / 12, shares 0.8 and 0.2.
TEST(Importance, OfASampledSumIsTheShareOfEachVariance) {
  RandomStream random(3, 0);
  std::vector<Assignment> asked;
  for (int i = 0; i < 400; ++i)
    asked.push_back({{"a", random.uniform()},
                     {"b", std::pow(10, 4 * random.uniform() - 4)},
                     {"c", random.below(3)}});
  // (b goes by its logarithm: that is uniform.)
  const Told told =
      tell({Space({real("a", 0, 1), real("b", 1e-4, 1, 0, true), choice("c", {1, 2, 3})})}, asked,
           [](const Assignment& v) { return 4 * v.at("a") + 0.5 * std::log10(v.at("b")); });
  const std::vector<Importance> found = told.forest().importances();
  EXPECT_NEAR(found[0].share, 0.8, 0.03);
  EXPECT_NEAR(found[1].share, 0.2, 0.03);
  EXPECT_LT(found[2].share, 0.005);
  EXPECT_GT(found[0].deviation, 0);
  EXPECT_LT(found[0].deviation, 0.1);
  // The same seed gives the same, another nearly the same.
  EXPECT_EQ(told.forest().importances()[0].share, found[0].share);
  const double other = told.forest({.seed = 1}).importances()[0].share;
  EXPECT_NE(other, found[0].share);
  EXPECT_NEAR(other, found[0].share, 0.02);
}

// Two parameters that only act together (exclusive or) explain nothing alone.
TEST(Importance, OfParametersThatActOnlyTogetherIsNoneAlone) {
  const Told told =
      tell({Space({choice("a", {0, 1}), choice("b", {0, 1})})}, full_grid({{"a", 2}, {"b", 2}}),
           [](const Assignment& v) { return v.at("a") == v.at("b") ? 1.0 : 0.0; });
  for (const Importance& one : told.forest({.trees = 1, .bootstrap = false}).importances())
    EXPECT_NEAR(one.share, 0, 1e-12);
}

// Equal copies of what decides share it: none is preferred for its place.
TEST(Importance, DoesNotDependOnTheOrderOfParameters) {
  RandomStream random(5, 0);
  std::vector<Assignment> asked;
  for (int i = 0; i < 200; ++i) {
    const double x = random.uniform();
    asked.push_back({{"a", x}, {"b", x}});
  }
  const Told told = tell({Space({real("a", 0, 1), real("b", 0, 1)})}, asked,
                         [](const Assignment& v) { return v.at("a"); });
  const std::vector<Importance> found = told.forest().importances();
  EXPECT_NEAR(found[0].share, found[1].share, 0.15);
}

// width exists where kind is 0 (half of the space) and is all that matters there: over the whole
// space f = 1[kind = 0] width, whose analysis is exact: V(kind) = 1/16, V(width) = 1/48,
// V = E f^2 - (E f)^2 = 1/6 - 1/16.
TEST(Importance, OfAConditionalParameterIsThatInTheWholeSpace) {
  RandomStream random(7, 0);
  std::vector<Assignment> asked;
  for (int i = 0; i < 600; ++i) {
    const auto kind = random.below(2);
    asked.push_back({{"kind", kind}});
    if (kind == 0) asked.back()["width"] = random.uniform();
  }
  const Told told = tell(
      {Space({choice("kind", {"wide", "narrow"}), when(real("width", 0, 1), "kind", {"wide"})})},
      asked, [](const Assignment& v) { return v.at("kind") == 0 ? v.at("width") : 0; });
  const double variance = 1.0 / 6 - 1.0 / 16;
  const std::vector<Importance> found = told.forest().importances();
  EXPECT_NEAR(found[0].share, 1.0 / 16 / variance, 0.04);
  EXPECT_NEAR(found[1].share, 1.0 / 48 / variance, 0.04);
}

// One that only exists sometimes and never matters does not tell by its presence which branch a
// trial is of.
TEST(Importance, OfAnIdleConditionalParameterIsNone) {
  RandomStream random(9, 0);
  std::vector<Assignment> asked;
  for (int i = 0; i < 300; ++i) {
    const auto kind = random.below(2);
    asked.push_back({{"kind", kind}});
    if (kind == 0) asked.back()["idle"] = random.below(4);
  }
  const Told told =
      tell({Space({choice("kind", {"a", "b"}), when(choice("idle", {1, 2, 3, 4}), "kind", {"a"})})},
           asked, [](const Assignment& v) { return v.at("kind"); });
  const std::vector<Importance> found = told.forest().importances();
  EXPECT_NEAR(found[0].share, 1, 1e-9);
  EXPECT_NEAR(found[1].share, 0, 1e-9);
}

TEST(Importance, IsUnknownWithoutADifference) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  const Space space({real("x", 0, 1), choice("one", {"a"})});
  for (const std::vector<double>& values :
       std::vector<std::vector<double>>{{}, {1}, {2, 2, 2}, {nan, 1, inf, -inf, nan}}) {
    std::size_t next = 0;
    std::vector<Assignment> asked(values.size(), {{"x", 0.5}, {"one", 0}});
    const Told told = tell({space}, asked, [&](const Assignment&) { return values[next++]; });
    const ObjectiveForest forest = told.forest();
    EXPECT_FALSE(forest.is_known());
    for (const Importance& one : forest.importances()) EXPECT_EQ(one.share, 0);
  }
}

TEST(Importance, BearsHugeValuesAndParametersWithOneValue) {
  std::vector<Assignment> asked;
  for (int i = 0; i < 40; ++i) asked.push_back({{"x", i / 40.0}, {"one", 0}});
  const Told told = tell({Space({real("x", 0, 1), choice("one", {"a"})})}, asked,
                         [](const Assignment& v) { return 1e300 * (v.at("x") - 0.5); });
  const ObjectiveForest forest = told.forest();
  EXPECT_NEAR(forest.importances()[0].share, 1, 1e-9);
  EXPECT_EQ(forest.importances()[1].share, 0);
  EXPECT_NEAR(forest.means(0, std::vector<double>{0.25})[0] / 1e300, -0.25, 0.05);
}

}  // namespace
}  // namespace hone_test
